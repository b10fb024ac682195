// The sandbox's page in the browser.
//
// The lists that the desk serves are the truth; the stream of events only says when to read them
// again. Who you are belongs to the tab, so that several tabs are several people; what each of them
// has read belongs to the browser.
//
// Invariant: what people wrote reaches the page only as text, never as markup, and nothing is posted
// but what somebody pressed a button for.
"use strict";

const desk = document.body.dataset.desk;
const $ = (id) => document.getElementById(id);

const REFRESH_AFTER_MS = 80;
const HIDDEN_REFRESH_MS = 20_000;
const RETRY_MS = 3_000;
const PEOPLE_MAX = 8;
const SETTLE_MS_MAX = 10_000;
const LONG_THREAD = 8;
const TOGETHER_MS = 5_000;
const LOST = "The desk cannot be heard just now. This page goes on by itself when it is back.";

const librarians = [
  { handle: "clio", what: "history, genealogy", says: ["join history, genealogy", "languages en, de", "hours always"] },
  { handle: "gauss", what: "mathematics, physics", says: ["join mathematics, physics", "hours always"] },
  { handle: "lexi", what: "law, politics", says: ["join law, politics", "hours always"] },
  { handle: "flora", what: "biology, health, food", says: ["join biology, health, food", "hours always"] },
  { handle: "ada", what: "computing, engineering", says: ["join computing, engineering", "hours always"] },
  { handle: "marian", what: "library services, general", says: ["join library services, cataloging, general", "hours always"] },
];
const isLibrarian = (handle) => librarians.some((one) => one.handle === handle);

const examples = [
  "Where can I find my great-grandmother’s passenger list from Hamburg, about 1907?",
  "Why is dividing by zero not allowed? My son wants a better answer than “because”.",
  "May my landlord keep the deposit because I painted one wall?",
];

// What the page says about the desk's letters, by what they are for, and which replies fit.
const purposes = {
  acknowledgement: { name: "Question received", post: ["status", "cancel"] },
  invitation: { name: "Invitation", post: ["claim", "pass"], begin: ["ask: ", "refer to "] },
  interview: { name: "Question for you", hint: "Tell the librarian…" },
  detail: { name: "From the patron" },
  answer: { name: "Answer", post: ["thanks"] },
  thanks: { name: "Thanks" },
  notice: { name: "" },
  reply: { name: "" },
  farewell: { name: "Farewell" },
  deletion: { name: "" },
};

const audiences = { public: "Public", unlisted: "Unlisted", followers: "Followers", direct: "Direct" };
const audienceMeans = { public: "In everybody’s timeline", unlisted: "Everybody can read it, but it stands in no timeline" };

// ---- What is remembered

const remembered = {
  get(key, other) {
    try { return JSON.parse(localStorage.getItem(`sandbox:${key}`)) ?? other; } catch { return other; }
  },
  set(key, value) {
    try { localStorage.setItem(`sandbox:${key}`, JSON.stringify(value)); } catch { /* a private window */ }
  },
};
const own = {
  get: (key) => { try { return sessionStorage.getItem(key); } catch { return null; } },
  set: (key, value) => { try { sessionStorage.setItem(key, value); } catch { /* a private window */ } },
};

const state = {
  me: "ann",
  view: "public",
  // For each view, the threads that were read, newest first, and where the list goes on.
  lists: { public: { threads: [], before: null }, you: { threads: [], before: null } },
  unread: {},
  // Posts newer than this were unread when the reader came to look.
  freshAfter: "0",
  open: new Set(),
  settling: false,
};

const readUpTo = (handle) => remembered.get(`read:${handle}`, "0");

/** Ids are decimal numbers, too large for a script to count with in the long run. */
const isNewer = (id, than) => id.length !== than.length ? id.length > than.length : id > than;
const newestOf = (ids) => ids.reduce((newest, id) => (isNewer(id, newest) ? id : newest), "0");

// ---- Talking to the desk

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, { signal: AbortSignal.timeout(15_000), ...options });
  } catch {
    throw new Error("The desk does not answer. Is it still running?");
  }
  if (response.status === 204) return null;
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(told.error || `The desk refused this (${response.status}).`);
  return told;
}

function post(as, text, more = {}) {
  // With the same key a second try is the same post.
  const body = { as, text, visibility: "public", key: crypto.randomUUID(), ...more };
  const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return ask("/sandbox/posts", options).catch((error) => {
    if (error.message.startsWith("The desk does not answer")) return ask("/sandbox/posts", options);
    throw error;
  });
}

const as = () => `as=${encodeURIComponent(state.me)}`;

// ---- Reading

let refreshing = null;
let refreshAgain = false;
let refreshTimer = null;

function refreshSoon() {
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(refresh, REFRESH_AFTER_MS);
}

function refresh() {
  if (refreshing) { refreshAgain = true; return refreshing; }
  refreshing = readAll().finally(() => {
    refreshing = null;
    if (refreshAgain) { refreshAgain = false; refreshSoon(); }
  });
  return refreshing;
}

async function readAll() {
  const me = state.me;
  const watched = [...new Set([me, ...recent(), ...librarians.map((one) => one.handle)])].slice(0, 30);
  const who = watched.map((handle) => `${handle}:${readUpTo(handle)}`).join(",");
  try {
    const [timeline, inbox, unread] = await Promise.all([
      ask(`/sandbox/timeline?${as()}`),
      ask(`/sandbox/inbox?${as()}`),
      ask(`/sandbox/unread?who=${encodeURIComponent(who)}`),
    ]);
    if (me !== state.me) return;
    showTrouble("");
    mergeFirstPage("public", timeline);
    mergeFirstPage("you", inbox);
    announce(unread);
    state.unread = unread;
    settle();
    noteProgress();
    draw();
  } catch (error) {
    showTrouble(error.message);
  }
}

/** A newly read first page takes the place of what it covers; what was read beyond it stays. */
function mergeFirstPage(view, page) {
  const list = state.lists[view];
  if (!page.before) { state.lists[view] = page; return; }
  const covered = new Set(page.threads.map((thread) => thread.root));
  const last = sortKey(view, page.threads[page.threads.length - 1]);
  const beyond = list.threads.filter((thread) => !covered.has(thread.root) && isNewer(last, sortKey(view, thread)));
  state.lists[view] = { threads: [...page.threads, ...beyond], before: beyond.length ? list.before : page.before };
}

const sortKey = (view, thread) =>
  view === "public" ? thread.root : newestOf(thread.posts.filter((post) => !post.gone).map((post) => post.id));

async function readOlder() {
  const { view } = state;
  const list = state.lists[view];
  try {
    const page = await ask(`/sandbox/${view === "public" ? "timeline" : "inbox"}?${as()}&before=${list.before}`);
    const known = new Set(list.threads.map((thread) => thread.root));
    list.threads.push(...page.threads.filter((thread) => !known.has(thread.root)));
    list.before = page.before;
    draw();
  } catch (error) {
    showTrouble(error.message);
  }
}

let stream = null;

/** A browser opens few connections to one place, so only a tab that can be seen listens. */
function listen() {
  stream?.close();
  stream = null;
  if (document.hidden) return;
  stream = new EventSource(`/sandbox/events?${as()}`);
  for (const name of ["posted", "deleted", "reload"]) stream.addEventListener(name, refreshSoon);
  stream.addEventListener("open", refreshSoon);
  stream.addEventListener("end", () => { stream.close(); lostStream(); });
  stream.addEventListener("error", () => {
    if (stream?.readyState === EventSource.CLOSED) lostStream();
    else showTrouble(LOST);
  });
}

function lostStream() {
  stream = null;
  showTrouble(LOST);
  setTimeout(() => { if (!stream) listen(); }, RETRY_MS);
}

// ---- Being somebody

const recent = () => remembered.get("people", ["ann"]).filter((handle) => typeof handle === "string");

function become(handle, view) {
  state.me = handle;
  own.set("as", handle);
  if (!isLibrarian(handle)) {
    const others = recent().filter((other) => other !== handle && !isLibrarian(other));
    remembered.set("people", [handle, ...others].slice(0, PEOPLE_MAX));
  }
  state.lists = { public: { threads: [], before: null }, you: { threads: [], before: null } };
  cards.clear();
  $("threads").replaceChildren();
  $("handle").value = handle;
  $("who-trouble").textContent = "";
  resetCompose();
  show(view ?? state.view);
  listen();
  return refresh();
}

function show(view) {
  state.view = view;
  state.freshAfter = readUpTo(state.me);
  const address = new URL(location);
  address.searchParams.set("as", state.me);
  if (view === "you") address.searchParams.set("view", "you"); else address.searchParams.delete("view");
  history.replaceState(null, "", address);
  for (const [name, tab] of [["public", $("tab-public")], ["you", $("tab-you")]]) {
    tab.setAttribute("aria-selected", String(name === view));
    tab.tabIndex = name === view ? 0 : -1;
  }
  $("list").setAttribute("aria-labelledby", `tab-${view}`);
  cards.clear();
  $("threads").replaceChildren();
  draw();
}

$("who").addEventListener("submit", (event) => {
  event.preventDefault();
  const handle = $("handle").value.trim().replace(/^@/, "").toLowerCase();
  if (handle === desk) {
    $("who-trouble").textContent = `@${desk} speaks for itself. Be anybody else.`;
  } else if (!/^[a-z0-9_](?:[a-z0-9_.-]{0,28}[a-z0-9_])?$/.test(handle)) {
    $("who-trouble").textContent = "A name has a-z, 0-9, “_”, “.” and “-”, at most 30 of them.";
  } else {
    become(handle);
    $("handle").blur();
  }
});

for (const [view, tab] of [["public", $("tab-public")], ["you", $("tab-you")]]) {
  tab.addEventListener("click", () => show(view));
  tab.addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const next = event.key === "Home" ? "public" : event.key === "End" ? "you" : view === "public" ? "you" : "public";
    show(next);
    $(`tab-${next}`).focus();
  });
}

// ---- Drawing

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child != null && child !== false));
  return made;
}

function face(handle, small) {
  const hue = ([...handle].reduce((sum, sign) => Math.imul(sum ^ sign.codePointAt(0), 16_777_619), 2_166_136_261) >>> 13) % 8;
  const kind = handle === desk ? "desk" : `hue${hue}`;
  return element("span", { class: `face ${kind}${small ? " small" : ""}`, "aria-hidden": "true" }, handle === desk ? "?" : handle[0].toUpperCase());
}

// A link, a mention, or a question's code such as K7Q4.
const MARKED = /(https?:\/\/[^\s<>"“”]*[^\s<>"“”.,;:!?)\]’'])|(?<![\w@/.])(@[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,28}[A-Za-z0-9_])?)(?![\w@])|(?<![\w#])((?:[CDFGHJKMNPQRTWX][34679]){2,6})(?!\w)/g;

function marked(text) {
  const parts = document.createDocumentFragment();
  let end = 0;
  for (const found of text.matchAll(MARKED)) {
    parts.append(text.slice(end, found.index));
    const [all, link, mention] = found;
    if (link) parts.append(element("a", { href: link, rel: "noopener noreferrer nofollow", target: "_blank" }, link));
    else if (mention) parts.append(element("span", { class: "mention" }, mention));
    else parts.append(element("span", { class: "code", title: `Question ${all}` }, all));
    end = found.index + all.length;
  }
  parts.append(text.slice(end));
  return parts;
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });

function ago(time) {
  const seconds = (Date.now() - new Date(time)) / 1000;
  if (seconds < 45) return "now";
  if (seconds < 3600) return relative.format(-Math.round(seconds / 60), "minute");
  if (seconds < 86_400) return relative.format(-Math.round(seconds / 3600), "hour");
  if (seconds < 7 * 86_400) return relative.format(-Math.round(seconds / 86_400), "day");
  return new Date(time).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}

setInterval(() => {
  for (const time of document.querySelectorAll("time")) time.textContent = ago(time.dateTime);
}, 30_000);

function list(names) {
  const shown = names.map((name) => (name === state.me ? "you" : `@${name}`));
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}

function drawPost(post, card) {
  if (post.gone) {
    return element("article", { class: "post" }, element("p", { class: "gone" }, "This post was deleted."));
  }
  const isPrivate = post.visibility === "direct" || post.visibility === "followers";
  const purpose = purposes[post.purpose]?.name;
  const seen = isPrivate ? `Direct to ${list(post.to)}` : audiences[post.visibility];
  const fresh = post.for_you && isNewer(post.id, state.freshAfter);
  return element("article", { class: `post${fresh ? " fresh" : ""}`, "data-id": post.id, "data-purpose": post.purpose, "data-author": post.author },
    face(post.author),
    element("div", {},
      element("header", { class: "post-head" },
        element("span", { class: "name" }, `@${post.author}`),
        post.author === state.me && element("span", { class: "meta" }, "you"),
        purpose && element("span", { class: "badge" }, purpose),
        post.bot && element("span", { class: "badge private" }, "bot"),
        isPrivate ? element("span", { class: "badge private" }, seen) : element("span", { class: "meta", title: audienceMeans[post.visibility] }, seen),
        element("span", { class: "meta" }, element("time", { datetime: post.created_at, title: new Date(post.created_at).toLocaleString("en") }, ago(post.created_at)))),
      element("p", { class: "words", dir: "auto", lang: post.language }, marked(post.text)),
      element("footer", { class: "post-foot" },
        element("button", { class: "quiet", type: "button", onclick: () => card.answer(post) }, "Reply", element("span", { class: "unseen" }, ` to @${post.author}`)),
        post.author === state.me && element("button", { class: "quiet", type: "button", onclick: () => remove(post) }, "Delete"))));
}

async function remove(post) {
  try {
    await ask(`/sandbox/posts/${post.id}?${as()}`, { method: "DELETE" });
    await refresh();
  } catch (error) {
    showTrouble(error.message);
  }
}

// One card for each thread on show, kept while it is, so that what is being typed stays.
const cards = new Map();

class Card {
  constructor(root) {
    this.root = root;
    this.posts = new Map();
    this.thread = null;
    this.target = null;
    this.list = element("div");
    this.toggle = element("button", { class: "quiet", type: "button", onclick: () => this.fold() });
    this.toggleRow = element("div", { class: "more" }, this.toggle);
    this.quick = element("div", { class: "quick" });
    this.about = element("p", { class: "about" });
    this.text = element("textarea", { rows: "1", maxlength: "5000", "aria-label": "Your reply", onkeydown: sendsByKey });
    this.trouble = element("p", { class: "trouble", role: "alert" });
    this.form = element("form", { class: "answering", onsubmit: (event) => { event.preventDefault(); this.send(this.text.value); } },
      this.about, this.quick, element("div", { class: "line" }, this.text, element("button", { class: "primary", type: "submit" }, "Reply")), this.trouble);
    this.element = element("section", { class: "card thread", "data-root": root }, this.list, this.toggleRow, this.form);
    this.whole = false;
  }

  get isOpen() { return state.view === "you" || state.open.has(this.root); }

  fold() {
    if (state.view === "you") this.whole = !this.whole;
    else if (state.open.has(this.root)) state.open.delete(this.root);
    else state.open.add(this.root);
    this.draw(this.thread);
  }

  /** Which posts are on show: all, only the first, or in a long conversation the first and the last. */
  shown(posts) {
    if (!this.isOpen) return posts.slice(0, 1);
    if (state.view === "you" && !this.whole && posts.length > LONG_THREAD) return [posts[0], ...posts.slice(-(LONG_THREAD - 2))];
    return posts;
  }

  draw(thread) {
    this.thread = thread;
    const shown = this.shown(thread.posts);
    const ids = new Set(shown.map((post) => post.id));
    for (const [id, kept] of this.posts) {
      const now = shown.find((post) => post.id === id);
      if (!ids.has(id) || Boolean(now.gone) !== kept.gone) { kept.element.remove(); this.posts.delete(id); }
    }
    let place = this.list.firstChild;
    for (const post of shown) {
      let kept = this.posts.get(post.id);
      if (!kept) {
        kept = { element: drawPost(post, this), gone: Boolean(post.gone) };
        this.posts.set(post.id, kept);
      }
      if (kept.element === place) place = place.nextSibling; else this.list.insertBefore(kept.element, place);
    }
    this.drawToggle(thread.posts.length, shown.length);
    this.drawForm(thread.posts.filter((post) => !post.gone));
  }

  drawToggle(all, shown) {
    const replies = all - 1;
    const counted = `${replies} ${replies === 1 ? "reply" : "replies"}`;
    if (state.view === "you") {
      this.toggleRow.hidden = all <= LONG_THREAD;
      this.toggle.textContent = this.whole ? "Show less" : `Show ${all - shown} earlier`;
      this.toggle.setAttribute("aria-expanded", String(this.whole));
      return;
    }
    this.toggleRow.hidden = false;
    this.toggle.textContent = this.isOpen ? (replies ? "Hide replies" : "Close") : (replies ? counted : "Reply");
    this.toggle.setAttribute("aria-expanded", String(this.isOpen));
  }

  drawForm(posts) {
    this.form.hidden = !this.isOpen || posts.length === 0;
    if (this.form.hidden) return;
    const byOthers = posts.filter((post) => post.author !== state.me);
    const chosen = posts.find((post) => post.id === this.chosen);
    this.target = chosen ?? byOthers.findLast((post) => post.for_you) ?? byOthers.at(-1) ?? posts.at(-1);
    const isPrivate = this.target.visibility === "direct" || this.target.visibility === "followers";
    const reaches = this.target.author === state.me ? list(this.target.to) || "this thread" : `@${this.target.author}`;
    this.about.textContent = `Replying to ${reaches} as @${state.me} · ${isPrivate ? "nobody else sees it" : "everybody can read it"}`;
    const letter = this.letter(posts);
    const fitting = purposes[letter?.purpose] ?? {};
    this.text.placeholder = letter?.purpose === "invitation" ? "Your answer to the patron…" : fitting.hint ?? "Reply…";
    const key = letter ? letter.id : "";
    if (this.quick.dataset.for === key) return;
    this.quick.dataset.for = key;
    this.quick.hidden = !fitting.post;
    this.quick.replaceChildren(
      ...(fitting.post ?? []).map((words) => element("button", { class: "chip", type: "button", "data-say": words, onclick: () => this.send(words, letter) }, words)),
      ...(fitting.begin ?? []).map((words) => element("button", { class: "chip", type: "button", onclick: () => this.begin(words) }, `${words.trim()} …`)));
  }

  /** The desk's last letter to the reader that waits for a reply. */
  letter(posts) {
    const letter = posts.findLast((post) => post.by_desk && post.for_you && purposes[post.purpose]?.post);
    const mine = posts.findLast((post) => post.author === state.me);
    return letter && !(mine && isNewer(mine.id, letter.id)) ? letter : null;
  }

  answer(post) {
    this.chosen = post.id;
    state.open.add(this.root);
    this.draw(this.thread);
    this.text.focus();
  }

  begin(words) {
    this.text.value = words + this.text.value;
    this.text.focus();
    this.text.setSelectionRange(words.length, words.length);
  }

  async send(text, letter) {
    const target = letter ?? this.target;
    // A reply to one's own post reaches whom that post mentions, as on the networks, whose programs put their names in front.
    const reaches = target.author === state.me ? target.to.filter((name) => !text.includes(`@${name}`)).map((name) => `@${name} `).join("") : "";
    const invitation = this.thread.posts.some((post) => post.for_you && post.purpose === "invitation");
    this.trouble.textContent = "";
    this.form.inert = true;
    try {
      await post(state.me, reaches + text, { visibility: target.visibility === "followers" ? "direct" : target.visibility, in_reply_to: target.id });
      this.text.value = letter ? this.text.value : "";
      this.chosen = null;
      if (invitation && !["claim", "pass"].includes(text.trim().toLowerCase())) progress("answered");
      await refresh();
    } catch (error) {
      this.trouble.textContent = error.message;
    } finally {
      this.form.inert = false;
      if (!letter) this.text.focus({ preventScroll: true });
    }
  }
}

function sendsByKey(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
}

function draw() {
  drawPeople();
  drawLibrarians();
  drawGuide();
  const { threads, before } = state.lists[state.view];
  const roots = new Set(threads.map((thread) => thread.root));
  for (const [root, card] of cards) if (!roots.has(root)) { card.element.remove(); cards.delete(root); }
  const focused = document.activeElement;
  let place = $("threads").firstChild;
  for (const thread of threads) {
    let card = cards.get(thread.root);
    if (!card) { card = new Card(thread.root); cards.set(thread.root, card); }
    card.draw(thread);
    if (card.element === place) place = place.nextSibling; else $("threads").insertBefore(card.element, place);
  }
  if (focused !== document.activeElement && document.contains(focused)) focused.focus({ preventScroll: true });
  $("older").hidden = !before;
  drawEmpty(threads.length === 0);
  markRead();
}

function drawEmpty(isEmpty) {
  $("empty").hidden = !isEmpty;
  if (!isEmpty) return;
  const known = librarians.some((one) => state.unread[one.handle]?.known);
  const say = (title, words, action) => $("empty").replaceChildren(element("h3", {}, title), element("p", {}, words), action ?? "");
  if (state.view === "you" && isLibrarian(state.me)) {
    say(`Nothing for @${state.me} yet`, "As soon as a question fits, the desk’s invitation appears here.");
  } else if (state.view === "you") {
    say(`Nothing for @${state.me} yet`, `Mentions, replies and direct messages appear here. Ask @${desk} something: its replies will be the first.`,
      element("button", { class: "chip", type: "button", onclick: () => $("text").focus() }, "Write a question"));
  } else if (!known) {
    say("It’s quiet in here", "Bring in a few librarians first, so that there is somebody to ask.",
      element("button", { class: "chip", type: "button", onclick: addLibrarians }, "Add example librarians"));
  } else {
    say("Nobody has asked anything yet", "The librarians are waiting. Take one of the example questions above, or write your own.",
      element("button", { class: "chip", type: "button", onclick: () => $("text").focus() }, "Write a question"));
  }
}

function drawPeople() {
  const invited = librarians.map((one) => one.handle).filter((handle) => state.unread[handle]?.invitations && handle !== state.me);
  const handles = [...new Set([...recent(), ...(isLibrarian(state.me) ? [state.me] : []), ...invited])];
  keep($("people"), handles.map((handle) => {
    const unread = handle === state.me && state.view === "you" ? 0 : state.unread[handle]?.posts ?? 0;
    return { key: `${handle} ${unread} ${handle === state.me} ${state.view}`, make: () => personButton(handle, unread) };
  }));
  const mine = state.view === "you" ? 0 : state.unread[state.me]?.posts ?? 0;
  $("count").hidden = !mine;
  $("count").replaceChildren(mine ? String(mine) : "", element("span", { class: "unseen" }, " new"));
  document.title = `${mine ? `(${mine}) ` : ""}@${state.me} · Stumper sandbox`;
}

function personButton(handle, unread) {
  return element("button", { class: "chip", type: "button", "data-be": handle, "aria-pressed": String(handle === state.me), onclick: () => become(handle, unread ? "you" : undefined) },
    face(handle, true), handle, unread > 0 && element("span", { class: "count" }, String(unread), element("span", { class: "unseen" }, " new")));
}

function drawLibrarians() {
  const known = librarians.filter((one) => state.unread[one.handle]?.known);
  $("librarians").hidden = known.length === 0;
  keep($("librarian-list"), known.map(({ handle, what }) => {
    const { invitations = 0, posts = 0 } = state.unread[handle] ?? {};
    const isMe = handle === state.me;
    const word = isMe ? "" : invitations ? "invited" : posts ? `${posts} new` : "";
    return {
      key: `${handle} ${word} ${isMe}`,
      make: () => element("li", {}, face(handle),
        element("div", {}, element("div", { class: "name" }, `@${handle}`),
          element("div", { class: "what" }, what, word && element("span", { class: "invited" }, ` · ${word}`))),
        element("button", { type: "button", class: invitations && !isMe ? "primary" : "", disabled: isMe, "data-be": handle, onclick: () => become(handle, "you") }, isMe ? "It’s you" : `Be ${handle}`)),
    };
  }));
}

/** Makes only those children anew whose key changed, so that the focus stays where it is. */
function keep(parent, wanted) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const focusedBe = parent.contains(document.activeElement) ? document.activeElement.dataset.be : null;
  const children = wanted.map(({ key, make }) => {
    const child = before.get(key) ?? make();
    child.dataset.key = key;
    return child;
  });
  const isSame = children.length === parent.children.length && children.every((child, at) => child === parent.children[at]);
  if (isSame) return;
  parent.replaceChildren(...children);
  if (focusedBe) parent.querySelector(`[data-be="${focusedBe}"]`)?.focus();
}

// ---- Unread

function markRead() {
  if (state.view !== "you" || document.hidden) return;
  const ids = state.lists.you.threads.flatMap((thread) => thread.posts).filter((post) => post.for_you).map((post) => post.id);
  const newest = newestOf(ids);
  if (isNewer(newest, readUpTo(state.me))) remembered.set(`read:${state.me}`, newest);
}

/** Tells people who cannot see the page what came for them. */
function announce(unread) {
  const before = state.unread[state.me]?.newest ?? "0";
  const now = unread[state.me];
  if (!now?.newest || !isNewer(now.newest, before)) return;
  const posts = state.lists.you.threads.flatMap((thread) => thread.posts);
  const newest = posts.find((post) => post.id === now.newest);
  if (newest) $("heard").textContent = `New from @${newest.author}: ${purposes[newest.purpose]?.name || newest.text.slice(0, 80)}`;
}

function showTrouble(text) {
  if ($("trouble").textContent !== text) $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

// ---- Writing

function resetCompose() {
  $("text").value = isLibrarian(state.me) ? "" : `@${desk} `;
  $("visibility").value = "public";
  $("compose-trouble").textContent = "";
  drawCompose();
}

function drawCompose() {
  const text = $("text").value.trim();
  $("to-field").hidden = $("visibility").value !== "direct";
  $("examples").hidden = !(text === "" || text.toLowerCase() === `@${desk}`) || isLibrarian(state.me);
  // Later they only show while somebody is about to write.
  $("examples").classList.toggle("later", remembered.get("done", []).includes("asked"));
}

$("text").addEventListener("input", drawCompose);
$("text").addEventListener("keydown", sendsByKey);
$("visibility").addEventListener("change", () => {
  drawCompose();
  if ($("visibility").value === "direct") $("to").focus();
});

$("examples").append(...examples.map((question) => element("button", {
  class: "chip", type: "button",
  onclick: () => {
    $("text").value = `@${desk} ${question}`;
    drawCompose();
    $("text").focus();
  },
}, question)));

$("compose").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("text").value;
  const visibility = $("visibility").value;
  const to = visibility === "direct" ? [$("to").value.trim().replace(/^@/, "")].filter(Boolean) : [];
  const forDesk = to.includes(desk) || new RegExp(`(^|[^\\w@/.])@${desk.replace(/\./g, "\\.")}(?![\\w@])`, "i").test(text);
  $("compose-trouble").textContent = "";
  if (text.trim() === "" || text.trim().toLowerCase() === `@${desk}`) {
    $("compose-trouble").textContent = "Write your question first.";
    $("text").focus();
    return;
  }
  const button = event.submitter;
  if (button) button.disabled = true;
  try {
    const placed = await post(state.me, text, { visibility, to, language: $("language").value || null });
    state.open.add(placed.root);
    if (forDesk && !isLibrarian(state.me)) { progress("asked"); remembered.set("asker", state.me); }
    resetCompose();
    document.activeElement?.blur();
    show(visibility === "public" ? "public" : "you");
    await refresh();
  } catch (error) {
    $("compose-trouble").textContent = error.message;
  } finally {
    if (button) button.disabled = false;
  }
});

$("older").addEventListener("click", readOlder);

// ---- Example librarians

/** Each of them tells the desk themselves, as anybody would. */
async function addLibrarians() {
  const buttons = [$("add-librarians"), $("again")];
  const label = $("add-librarians").textContent;
  buttons.forEach((button) => { button.disabled = true; });
  state.settling = true;
  try {
    for (const { handle, says } of librarians) {
      $("add-librarians").textContent = `@${handle} says hello…`;
      for (const text of says) await post(handle, text, { visibility: "direct", to: [desk] });
    }
    $("heard").textContent = "The example librarians have told the desk what they know.";
    setTimeout(() => { state.settling = false; }, SETTLE_MS_MAX);
  } catch (error) {
    state.settling = false;
    showTrouble(error.message);
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
    $("add-librarians").textContent = label;
    await refresh();
  }
}

$("add-librarians").addEventListener("click", addLibrarians);
$("again").addEventListener("click", addLibrarians);

/** The desk's welcome to the example librarians is no news: only invitations are. */
function settle() {
  if (!state.settling) return;
  for (const { handle } of librarians) {
    const unread = state.unread[handle];
    if (!unread?.newest || unread.invitations || handle === state.me) continue;
    remembered.set(`read:${handle}`, unread.newest);
    state.unread[handle] = { ...unread, posts: 0 };
  }
}

// ---- The guide

function progress(step) {
  const done = remembered.get("done", []);
  if (!done.includes(step)) remembered.set("done", [...done, step]);
}

function noteProgress() {
  const known = librarians.some((one) => state.unread[one.handle]?.known);
  if (!known && state.lists.public.threads.length === 0) remembered.set("done", []);
  // Who heard last is first; those asked together stay in order, specialists before generalists. Ids
  // are times in milliseconds, or next to them.
  const later = (one, other) => Number(state.unread[other].newest) - Number(state.unread[one].newest);
  const invited = librarians.map((one) => one.handle).filter((handle) => state.unread[handle]?.invitations)
    .sort((one, other) => (Math.abs(later(one, other)) < TOGETHER_MS ? 0 : later(one, other)));
  if (invited.length) remembered.set("invited", invited);
  const answers = state.lists.you.threads.flatMap((thread) => thread.posts).some((post) => post.for_you && post.purpose === "answer");
  if (answers) { progress("answered"); if (state.view === "you" || state.open.size) progress("read"); }
}

function drawGuide() {
  const done = remembered.get("done", []);
  const known = librarians.some((one) => state.unread[one.handle]?.known);
  const isDone = { librarians: known, ask: done.includes("asked"), answer: done.includes("answered"), read: done.includes("read") };
  const steps = [...$("guide-steps").children];
  const now = steps.find((step) => !isDone[step.dataset.step]);
  for (const step of steps) {
    step.toggleAttribute("data-done", isDone[step.dataset.step]);
    step.toggleAttribute("data-now", step === now);
    if (step === now) step.setAttribute("aria-current", "step"); else step.removeAttribute("aria-current");
  }
  $("add-librarians").hidden = known;
  const invited = now?.dataset.step === "answer" ? remembered.get("invited", []) : [];
  const asker = remembered.get("asker", null);
  const be = (handle) => element("button", { class: "primary", type: "button", "data-be": handle, onclick: () => become(handle, "you") }, `Be @${handle}`);
  guideText("guide-invited", invited.join() + state.me, () => {
    if (invited.includes(state.me)) return ["You are invited. Answer under ", element("b", {}, "For you"), ", in your own words."];
    if (invited.length) return [`The desk invited ${list(invited)}. `, be(invited[0])];
    return ["The desk finds out who knows, and invites them. Switch to that person and answer."];
  });
  guideText("guide-read", `${isDone.answer} ${isDone.read} ${asker} ${state.me}`, () => {
    if (isDone.read) return ["That was the whole round. Say ", element("q", {}, "thanks"), ", or try a direct message, ", element("q", {}, "pass"), " and ", element("q", {}, "ask: …"), "."];
    if (isDone.answer && asker && asker !== state.me) return ["The answer is in their own thread. ", be(asker)];
    return ["Switch back to who asked. The answer is in their own thread."];
  });
  $("guide-steps").hidden = remembered.get("folded", false);
  $("guide-fold").textContent = $("guide-steps").hidden ? "Show" : "Hide";
  $("guide-fold").setAttribute("aria-expanded", String(!$("guide-steps").hidden));
}

function guideText(id, key, make) {
  if ($(id).dataset.key === key) return;
  $(id).dataset.key = key;
  $(id).replaceChildren(...make());
}

$("guide-fold").addEventListener("click", () => {
  remembered.set("folded", !remembered.get("folded", false));
  drawGuide();
});

// ---- Beginning

document.addEventListener("visibilitychange", () => {
  listen();
  if (!document.hidden) refreshSoon();
});
setInterval(() => { if (document.hidden || !stream) refreshSoon(); }, HIDDEN_REFRESH_MS);

const asked = new URL(location).searchParams;
const wanted = (asked.get("as") ?? own.get("as") ?? recent()[0] ?? "ann").toLowerCase().replace(/^@/, "");
const isProper = /^[a-z0-9_](?:[a-z0-9_.-]{0,28}[a-z0-9_])?$/.test(wanted) && wanted !== desk;
become(isProper ? wanted : "ann", asked.get("view") === "you" ? "you" : "public");
