// Every page, with nothing, with what is ordinary, with a million jobs, with what is hostile; with JavaScript and without;
// light and dark; wide and on a phone.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "./bench.mjs";
import { PHONE, open } from "./browser.mjs";
import { addresses, empty, hostile, million, ordinary } from "./stores.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Rules of axe: in the dark only colours are others. */
const ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const COLOURS = { type: "rule", values: ["color-contrast"] };

/** The longest until a page begins to come, in ms: of a program that is not optimized, on a machine that is busy. */
const SLOWEST = 2_000;

/** What a reader with a screen reader, or with weak eyes, would stumble over. */
async function barriers(tab, runOnly) {
  await tab.evaluate(axe);
  // Who wants a page to be loaded again says so in its address.
  const rules = { "meta-refresh": { enabled: false } };
  const found = await tab.evaluate((options) => window.axe.run(document, { resultTypes: ["violations"], ...options }), { rules, runOnly });
  return found.violations.map(({ id, help, nodes }) => `axe ${id}: ${help}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 200)} ${node.failureSummary}`).join("; ")}`);
}

/** What of the data has become a part of the page that could act, lead away, or is wider than the screen. */
function intruders(screen) {
  const acting = document.querySelectorAll("script:not([src^='/app-']), iframe, object, embed, img, base, style, [style], mark, em, s");
  const handlers = [...document.querySelectorAll("*")].filter((each) => [...each.attributes].some(({ name }) => name.startsWith("on")));
  const links = [...document.querySelectorAll("[href], [src], [action], [formaction]")].filter((each) =>
    ["href", "src", "action", "formaction"].some((name) => each.hasAttribute(name) && !/^[/#]/.test(each.getAttribute(name))));
  const found = [...acting, ...handlers, ...links].map((each) => `acts: ${each.outerHTML.slice(0, 200)}`);
  // eslint-disable-next-line no-control-regex
  if (/[\0-\x08\x0b-\x1f\x7f\u200b\u202a-\u202e\u2066-\u2069]/.test(document.documentElement.textContent)) found.push("shows what cannot be seen");
  const width = document.documentElement.scrollWidth;
  if (width > screen) {
    const wide = [...document.body.querySelectorAll("*")].filter((each) => each.getBoundingClientRect().right > screen + 1 && getComputedStyle(each).overflowX === "visible" && !each.parentElement.closest(".scroll"));
    found.push(`scrolls sideways, ${width} px of ${screen}: ${wide.slice(0, 2).map((each) => each.outerHTML.slice(0, 150))}`);
  }
  return found;
}

/** Looks at all addresses by one tab, and for barriers at each page once in the light and once in the dark; what is wrong, and the headings. */
async function look(tab, all, isPlain) {
  const wrong = [], headings = {}, seen = new Set();
  const wide = tab.viewportSize();
  for (const address of all) {
    const add = (found, how = "") => wrong.push(...found.map((each) => `${address.slice(0, 100)}: ${how}${each}`));
    const load = () => tab.goto(address).catch((error) => add([error.message.split("\n")[0]]));
    let answer = await load();
    // What takes too long on a busy machine is refused: as a person would, once more.
    for (let again = 0; again < 3 && answer?.status() === 503; again++) answer = await load();
    if (!answer) continue;
    const status = answer.status(), took = answer.request().timing().responseStart;
    // Without a master what it alone knows is refused.
    if (status >= 500 && status !== 503) add([`status ${status}`]);
    if (took > SLOWEST) add([`answered after ${took} ms`]);
    if (!answer.headers()["content-type"].startsWith("text/html")) { tab.wrong(); continue; }
    headings[address] = `${status} ${await tab.textContent("h1")}`;
    add(await tab.evaluate(intruders, tab.viewportSize().width));
    const page = `${status} ${address.split("?")[0]}`;
    if (!isPlain && !seen.has(page)) {
      seen.add(page);
      add(await barriers(tab, ALL));
      await tab.emulateMedia({ colorScheme: "dark" });
      await tab.setViewportSize(PHONE.viewport);
      add(await tab.evaluate(intruders, PHONE.viewport.width), "on a phone: ");
      add(await barriers(tab, COLOURS), "dark: ");
      await tab.emulateMedia({ colorScheme: "light" });
      await tab.setViewportSize(wide);
    }
    add(tab.wrong());
  }
  return { wrong, headings };
}

for (const [name, make] of Object.entries({ million, hostile, ordinary, empty })) {
  test(`every page of a store that is ${name}`, async (t) => {
    const store = await make();
    t.after(() => store.bench.end());
    const web = await store.bench.web();
    const all = addresses(store);
    const full = await open(web, { colorScheme: "light" });
    const plain = await open(web, { javaScriptEnabled: false, ...PHONE });
    const [first, second] = await Promise.all([look(full, all, false), look(plain, all, true)]);
    for (const tab of [full, plain]) await tab.context().close();
    const wrong = [...first.wrong, ...second.wrong.map((each) => `without JavaScript: ${each}`)];
    assert.equal([...new Set(wrong)].join("\n"), "");
    assert.deepEqual(second.headings, first.headings);
  });
}
