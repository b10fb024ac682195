// A newcomer's first minutes in the sandbox, played in a real browser against a running desk: bring in
// the example librarians, ask as ann, answer as the librarian who was invited, read it as ann, say thanks.
//
// Usage: node story.mjs ADDRESS FOLDER. Needs a desk with an empty sandbox. Ends with 1 on failure.

import { chromium } from "playwright-core";

const [address, folder] = process.argv.slice(2);
if (!address || !folder) {
  console.error("usage: node story.mjs ADDRESS FOLDER");
  process.exit(1);
}

const PATIENCE_MS = 20_000;
const ANSWER =
  "The Hamburg passenger lists from 1850 to 1934 survive and are indexed by name. Begin at the Staatsarchiv " +
  "Hamburg, try spelling variants, and note the ship’s name: it leads you to the arrival list in New York.";

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const faults = [];

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.on("console", (line) => { if (line.type() === "error") faults.push(`console: ${line.text()}`); });
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  return page;
}

async function step(name, play) {
  try {
    await play();
    console.log(`ok       ${name}`);
  } catch (error) {
    console.log(`FAILED   ${name}`);
    await page.screenshot({ path: `${folder}/failed.png`, fullPage: true }).catch(() => {});
    throw error;
  }
}

const picture = (of, name, more = {}) => of.screenshot({ path: `${folder}/${name}.png`, ...more });
const letter = (purpose) => page.locator(`article[data-author=desk][data-purpose=${purpose}]`);
const toTop = () => page.evaluate(() => window.scrollTo(0, 0));
let librarian;
let page;

try {
  page = await open();

  await step("the page opens for ann", async () => {
    await page.goto(`${address}/?as=ann`);
    await page.locator("#empty").waitFor();
    await picture(page, "1-start");
  });

  await step("the example librarians tell the desk what they know", async () => {
    await page.locator("#add-librarians").click();
    await page.locator("#librarian-list li").nth(5).waitFor();
    const other = await open();
    await other.goto(`${address}/?as=clio&view=you`);
    await other.locator("article[data-author=desk]").nth(2).waitFor();
    await picture(other, "2-clio-joined");
    await other.context().close();
    await picture(page, "2-librarians");
  });

  await step("ann asks, and the desk acknowledges", async () => {
    await page.locator("#examples button").first().click();
    await page.keyboard.press("Control+Enter");
    await letter("acknowledgement").waitFor();
    await page.locator("#guide-invited [data-be]").waitFor();
    await toTop();
    await picture(page, "3-asked");
  });

  await step("the librarian who knows is invited", async () => {
    const be = page.locator("#guide-invited [data-be]");
    librarian = await be.getAttribute("data-be");
    await be.click();
    await letter("invitation").first().waitFor();
    await toTop();
    await picture(page, "4-invited");
  });

  await step("the librarian claims and answers", async () => {
    const thread = page.locator(".thread", { has: letter("invitation") }).first();
    const replies = thread.locator("article[data-author=desk]");
    const before = await replies.count();
    await thread.locator("[data-say=claim]").click();
    await replies.nth(before).waitFor();
    await thread.locator(".answering textarea").fill(ANSWER);
    await thread.locator(".answering button[type=submit]").click();
    await replies.nth(before + 1).waitFor();
    await toTop();
    await picture(page, "5-answered");
  });

  await step("ann reads the answer", async () => {
    await page.locator("#people [data-be=ann]").click();
    await letter("answer").filter({ hasText: "indexed by name" }).waitFor();
    await toTop();
    await picture(page, "6-answer");
  });

  await step("ann says thanks, and the librarian hears it", async () => {
    await page.locator("[data-say=thanks]").first().click();
    await page.locator("article[data-author=ann] .words", { hasText: /^thanks$/ }).first().waitFor();
    await page.locator(`#librarian-list [data-be=${librarian}]`).click();
    await letter("thanks").first().waitFor();
    await picture(page, "7-thanks");
  });

  await step("a stranger sees the public thread and nothing that was private", async () => {
    const stranger = await open();
    await stranger.goto(`${address}/?as=mallory`);
    await stranger.locator(".thread .more button").first().click();
    await stranger.locator("article[data-purpose=answer]").waitFor();
    const seen = await stranger.evaluate(() => document.body.innerText);
    if (/Direct to/.test(seen)) throw new Error("a stranger sees a direct post");
    await stranger.locator("#tab-you").click();
    await stranger.locator("#empty").waitFor();
    await stranger.context().close();
  });

  await step("what somebody writes is text, whatever it looks like", async () => {
    const text = "<img src=x onerror=alert(1)> <script>alert(2)</script> javascript:alert(3)";
    const mallory = await open();
    mallory.on("dialog", () => faults.push("a post ran as a script"));
    await mallory.goto(`${address}/?as=mallory`);
    await mallory.locator("#text").fill(text);
    await mallory.locator("#compose button[type=submit]").click();
    await mallory.locator("article[data-author=mallory] .words", { hasText: text }).waitFor();
    if (await mallory.locator("#threads :is(img, script)").count()) throw new Error("a post became markup");
    await mallory.locator("article[data-author=mallory]").hover();
    await mallory.locator("article[data-author=mallory]").getByRole("button", { name: "Delete" }).click();
    await mallory.locator("article[data-author=mallory]").waitFor({ state: "detached" });
    await mallory.context().close();
  });

  await step("it fits a phone, by day and by night", async () => {
    const storageState = await page.context().storageState();
    for (const colorScheme of ["light", "dark"]) {
      const phone = await open({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme, storageState });
      await phone.goto(`${address}/?as=ann&view=you`);
      await phone.locator("article[data-purpose=answer]").first().waitFor();
      const width = await phone.evaluate(() => document.documentElement.scrollWidth);
      if (width > 390) throw new Error(`the page is ${width} pixels wide on a phone of 390`);
      await picture(phone, `8-phone-${colorScheme}`, { fullPage: true });
      await phone.context().close();
    }
    const night = await open({ colorScheme: "dark", storageState });
    await night.goto(`${address}/?as=ann&view=you`);
    await night.locator("article[data-purpose=answer]").first().waitFor();
    await picture(night, "9-night");
  });

  if (faults.length) throw new Error(`the page complained:\n${faults.join("\n")}`);
  console.log(`pictures in ${folder}`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await browser.close();
}
