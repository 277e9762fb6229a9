"use strict";
// Times in the zone of whoever looks.
function local(root) {
  for (const t of root.querySelectorAll("time[datetime]")) {
    const at = new Date(t.dateTime);
    if (!isNaN(at)) t.title = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
  }
}
local(document);

// Parts that have changed take the place of those that are there, unless somebody is about to use one.
let stream = null, silent = 0, tries = 0;
const button = document.getElementById("pause");
const isPaused = () => button && button.getAttribute("aria-pressed") === "true";

// The element is looked for each time: it is a part that is replaced, too.
function say(text) {
  const trouble = document.getElementById("trouble");
  trouble.textContent = text;
  trouble.hidden = !text;
}

function isInUse(part) {
  const chosen = document.getSelection();
  const inside = chosen && !chosen.isCollapsed && part.contains(chosen.anchorNode);
  return inside || (part.contains(document.activeElement) && document.activeElement !== document.body
    && document.activeElement.matches("input,select,textarea,button,summary")) || part.querySelector("details[open]");
}

function take(event) {
  silent = 0; tries = 0;
  say("");
  const { id, html } = JSON.parse(event.data);
  const old = document.getElementById(id);
  if (!old || isInUse(old)) return;
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const scrolled = [...old.querySelectorAll(".scroll")].map(e => e.scrollLeft);
  old.outerHTML = html;
  const now = document.getElementById(id);
  local(now);
  now.querySelectorAll(".scroll").forEach((e, n) => { e.scrollLeft = scrolled[n] || 0; });
  if (focused) { const link = [...now.querySelectorAll("a")].find(a => a.getAttribute("href") === focused); if (link) link.focus(); }
}

function listen() {
  if (stream || isPaused() || document.hidden || !("live" in document.body.dataset)) return;
  stream = new EventSource(location.pathname + location.search);
  stream.onmessage = take;
  stream.onerror = () => {
    stop();
    tries += 1;
    if (tries > 1) say("the page is not reached; it is tried again");
    setTimeout(listen, Math.min(1000 * 2 ** tries, 15000));
  };
}
function stop() { if (stream) stream.close(); stream = null; }

if ("live" in document.body.dataset && window.EventSource) {
  document.getElementById("live").hidden = false;
  button.onclick = () => {
    const paused = !isPaused();
    button.setAttribute("aria-pressed", paused);
    button.textContent = paused ? "paused" : "live";
    paused ? stop() : listen();
  };
  document.addEventListener("visibilitychange", () => document.hidden ? stop() : listen());
  addEventListener("pagehide", stop);
  listen();
}

// A search goes on, slice after slice, until the table is full, all was looked at, or somebody stops it.
async function search(row) {
  const stop = row.querySelector("button"), what = row.closest("section"), list = "#" + what.id + " tbody", body = document.querySelector(list), began = performance.now();
  const next = () => row.querySelector("a[rel=next]");
  let searched = Number(row.dataset.searched), goesOn = true;
  stop.onclick = () => { goesOn = false; };
  stop.hidden = false;
  while (goesOn && next() && body.rows.length < 50) {
    let page;
    try {
      const answer = await fetch(next().href);
      if (!answer.ok) break;
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch { break; }
    const part = page.getElementById("searched"), link = part && part.querySelector("a[rel=next]");
    if (!part) break;
    searched += Number(part.dataset.searched);
    body.append(...page.querySelectorAll(list + " tr"));
    if (link) next().href = link.getAttribute("href"); else next().remove();
    row.querySelector("b").textContent = searched.toLocaleString("en") + " " + what.id;
    row.querySelector("i").textContent = ((performance.now() - began) / 1000).toFixed(1) + " s";
  }
  stop.hidden = true;
  local(body);
}
const searched = document.getElementById("searched");
if (searched && searched.dataset.searched && searched.querySelector("a[rel=next]")) search(searched);

// Lines as they come: the last 5,000 stay.
function follow(log) {
  const tools = log.parentElement, pause = tools.querySelector("[data-pause]"), wrap = tools.querySelector("[data-wrap]");
  let source = null, lost = 0, held = [], tries = 0;
  const isStill = () => pause.getAttribute("aria-pressed") === "true";
  function show({ first, rows, lost: missed }) {
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    if (first) { log.replaceChildren(); lost = 0; }
    lost += missed;
    log.insertAdjacentHTML("beforeend", rows);
    while (log.childElementCount > 5000) { log.firstElementChild.remove(); lost += 1; }
    tools.querySelector("[data-lost]").textContent = lost ? lost.toLocaleString("en") + " lines dropped" : "";
    if (isAtEnd || first) log.scrollTop = log.scrollHeight;
  }
  function open() {
    if (source || document.hidden) return;
    source = new EventSource(log.dataset.stream);
    source.onmessage = event => {
      tries = 0;
      const message = JSON.parse(event.data);
      if (!isStill()) show(message); else if (held.push(message) > 500) { held.shift(); lost += 1; }
    };
    source.onerror = () => { close(); tries += 1; setTimeout(open, Math.min(1000 * 2 ** tries, 15000)); };
  }
  function close() { if (source) source.close(); source = null; }
  const press = (button, isOn) => button.setAttribute("aria-pressed", isOn);
  pause.onclick = () => { press(pause, !isStill()); if (!isStill()) held.splice(0).forEach(show); };
  wrap.onclick = () => press(wrap, log.classList.toggle("wrap"));
  pause.hidden = wrap.hidden = false;
  log.classList.add("wrap");
  log.scrollTop = log.scrollHeight;
  document.addEventListener("visibilitychange", () => document.hidden ? close() : open());
  addEventListener("pagehide", close);
  open();
}
if (window.EventSource) document.querySelectorAll("[data-stream]").forEach(follow);

// The meaning of each key stands in the page, for `?`.
const pages = { o: 0, q: 1, j: 2, f: 3, r: 4, w: 5, p: 6, s: 7, m: 8, e: 9, l: 10 };
let isGoing = false;
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input,select,textarea")) return;
  const key = event.key;
  if (isGoing) {
    isGoing = false;
    const link = document.querySelectorAll("nav a")[pages[key]];
    if (link) location.href = link.href;
    return;
  }
  if (key === "g") isGoing = true;
  else if (key === "." && button) button.click();
  else if (key === "?") { const keys = document.getElementById("keys"); keys.open ? keys.close() : keys.showModal(); }
  else if (key === "/") { const field = document.querySelector("main input"); if (field) { event.preventDefault(); field.focus(); } }
  else if (key === "j" || key === "k") {
    const rows = [...document.querySelectorAll("tbody tr a")].filter((a, n, all) => !n || a.closest("tr") !== all[n - 1].closest("tr"));
    const at = rows.findIndex(a => a.closest("tr").contains(document.activeElement)) + (key === "j" ? 1 : -1);
    if (rows[Math.max(at, 0)]) rows[Math.max(at, 0)].focus();
  }
});
