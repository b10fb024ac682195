// Boots PostgreSQL, Redis and the Bluesky servers for tests; start.sh says how it is used.
//
// Invariant: nothing listens on anything but loopback, and nothing outlives this process: PostgreSQL
// and Redis are told to die with it, and everything they wrote lies in one folder that is removed.

import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const BOOT_MS_MAX = 60_000
const STOP_MS_MAX = 5_000

const rateLimitBypassKey = 'tests'

const installed = process.argv[2]
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bluesky-network-'))
process.env.TMPDIR = folder
const children = []

// The servers listen on every address unless told otherwise, and cannot be told. Ports only, as they
// call it, become ports of loopback; their own notices go to stderr, because stdout is for the result.
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (first, ...rest) {
  const options = typeof first === 'object' && first !== null ? { ...first } : undefined
  if (options?.port !== undefined) return listen.call(this, { ...options, host: '127.0.0.1' }, ...rest)
  if (options || isNaN(Number(first))) return listen.call(this, first, ...rest)
  const then = rest.filter((argument) => typeof argument === 'function')
  return listen.call(this, { port: Number(first), host: '127.0.0.1' }, ...then)
}
console.log = console.info = console.error

let stopping = false
async function stop(code) {
  if (stopping) return
  stopping = true
  setTimeout(() => leave(code), STOP_MS_MAX).unref()
  await network?.close().catch(() => {})
  leave(code)
}

function leave(code) {
  for (const child of children) child.kill('SIGKILL')
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit(code)
}

function fail(why) {
  console.error(`start.sh: ${why}`)
  leave(1)
}

process.on('SIGTERM', () => stop(0))
process.on('SIGINT', () => stop(0))
process.stdin.on('end', () => stop(0)).on('error', () => stop(0)).resume()
setTimeout(() => network || fail(`not up after ${BOOT_MS_MAX / 1000} s`), BOOT_MS_MAX).unref()

// PostgreSQL refuses to run as root, so both run as its own user there, or as nobody.
function asWhom() {
  if (process.getuid() !== 0) return []
  let user = 'nobody'
  try {
    execFileSync('id', ['postgres'], { stdio: 'ignore' })
    user = 'postgres'
  } catch {
    // There is no such user.
  }
  const id = (flag) => Number(execFileSync('id', [flag, user]))
  fs.chownSync(data, id('-u'), id('-g'))
  return [`--reuid=${id('-u')}`, `--regid=${id('-g')}`, '--clear-groups']
}

function run(program, args) {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...whom, program, ...args], {
    cwd: data,
    stdio: ['ignore', fs.openSync(path.join(folder, `${path.basename(program)}.log`), 'a'), 'inherit'],
  })
  child.on('exit', () => stopping || fail(`${program} has stopped`))
  children.push(child)
}

function postgresProgram(name) {
  const root = '/usr/lib/postgresql'
  const versions = fs.existsSync(root) ? fs.readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  const found = versions.map((version) => path.join(root, version, 'bin', name)).find(fs.existsSync)
  return found ?? name
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject)
    server.listen(0, () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

async function answers(port) {
  for (;;) {
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1')
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

let network
const data = path.join(folder, 'data')
fs.mkdirSync(data)
fs.chmodSync(folder, 0o711)
const whom = asWhom()
const [databasePort, cachePort] = [await freePort(), await freePort()]
const database = path.join(data, 'postgresql')
execFileSync(
  'setpriv',
  [...whom, postgresProgram('initdb'), '-D', database, '-U', 'test', '-A', 'trust', '-N', '--locale=C', '-E', 'UTF8'],
  { cwd: data, stdio: ['ignore', 'ignore', 'inherit'] },
)
const databaseOptions = ['fsync=off', 'max_connections=200', `unix_socket_directories=${data}`]
run(postgresProgram('postgres'), [
  ...['-D', database, '-p', String(databasePort), '-h', '127.0.0.1'],
  ...databaseOptions.flatMap((option) => ['-c', option]),
])
run('redis-server', ['--port', String(cachePort), '--bind', '127.0.0.1', '--save', '', '--dir', data])
await Promise.all([answers(databasePort), answers(cachePort)])

process.env.DB_POSTGRES_URL = `postgresql://test@127.0.0.1:${databasePort}/postgres`
process.env.DB_POSTGRES_SCHEMA = 'bluesky'
process.env.REDIS_HOST = `127.0.0.1:${cachePort}`
const devEnv = path.join(installed, 'servers/node_modules/@atproto/dev-env/dist/index.js')
try {
  const { TestNetwork } = await import(pathToFileURL(devEnv))
  // Limits as in the world outside, and a key for the tests' own calls, which are many.
  const limits = { rateLimitsEnabled: true, rateLimitBypassKey }
  network = await TestNetwork.create({ pds: { hostname: 'localhost', enableDidDocWithSession: true, ...limits } })
} catch (error) {
  console.error(error)
  fail('the servers did not start')
}
process.stdout.write(
  JSON.stringify({
    pid: process.pid,
    service: network.pds.url,
    appview: network.bsky.url,
    plc: network.plc.url,
    jwt_secret: 'jwt-secret',
    admin_password: 'admin-pass',
    rate_limit_bypass_key: rateLimitBypassKey,
  }) + '\n',
)
