/* SPDX-License-Identifier: MIT */
/*
 * The cache page: what the caches hold, their versions, and (jobs.js) what is warmed. It
 * looks again each second while a job runs, else every ten; not at all while nobody sees
 * the page, or after an answer that only its button can change (a login that was refused).
 * Whoever may not manage caches sees their versions, nothing that would be refused too, and
 * a field for a token; passwords the browser asks for itself.
 */
import { count, element, getJSON, keep, make, notice, number, send, sentence, size, url,
	useToken } from "./common.js";
import { fillForm, hasWork, showJobs, startForm } from "./jobs.js";

const BUSY_MS = 1000;
const IDLE_MS = 10000;
const api = (path) => url(`api/v1/cache/${path}`);
const time = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });

/* --- the tables --- */

const cell = (text, className = "number") => make("td", { className }, text);

function ratio({ hits, misses }) {
	return hits + misses > 0 ? percent.format(hits / (hits + misses)) : "–";
}

function cacheCells(name, cache) {
	const state = cell(cache.state === "ok" ? "ok" : cache.state,
		cache.state === "ok" ? "" : "bad-text");
	state.title = cache.reason ? sentence(cache.reason) : "";
	return [
		make("th", { scope: "row" }, name), cell(cache.backend, ""), state,
		cell(ratio(cache)),
		...["hits", "misses", "stores", "errors"].map((of) => cell(number(cache[of]))),
		cell(cache.entries === null ? "–" : number(cache.entries)),
		cell(cache.bytes === null ? "–" : size(cache.bytes)),
	];
}

function showStats(stats) {
	keep(element("caches"), Object.entries(stats.caches), ([name]) => name, "tr",
		(row, [name, cache]) => row.replaceChildren(...cacheCells(name, cache)));
	const left = stats.orphaned_entries;
	element("orphaned").textContent = left === 0 ? ""
		: `${count(left, "entry", "entries")} of versions that are no longer current `
			+ `(${size(stats.orphaned_bytes)}) ${left === 1 ? "waits" : "wait"} to be reclaimed.`;
}

/* The button stays the same node, so that it keeps the focus. */
function showVersion(row, [name, of]) {
	const button = row.querySelector("button") ?? make("button", {
		type: "button",
		className: "small managed",
		ariaLabel: `Invalidate ${name}`,
		onclick: () => ask(`Invalidate ${name}?`, `versions/${encodeURIComponent(name)}/invalidate/`),
	}, "Invalidate");
	const changed = make("time", { dateTime: of.changed_at, title: of.changed_at },
		time.format(new Date(of.changed_at)));
	const cells = [
		make("th", { scope: "row" }, name),
		make("td", {}, make("code", {}, of.version)), make("td", {}, changed),
		cell(of.changed_by ?? "", ""), /* not for who manages some images only */
		cell(of.orphaned_entries === undefined ? "" : number(of.orphaned_entries)),
	];
	if (row.children.length === 0)
		row.append(make("td", {}, button));
	while (row.children.length > 1)
		row.firstChild.remove();
	row.prepend(...cells);
}

function showVersions({ versions }) {
	keep(element("versions"), Object.entries(versions), ([name]) => name, "tr", showVersion);
	element("all").disabled = false;
}

/* --- invalidating --- */

const words = {
	image: "All that is stored of this one slide is rendered anew when it is asked for.",
	all: "Everything that is stored is rendered anew when it is asked for, of all slides.",
	one: "What is stored of this kind is rendered anew when it is asked for, of all slides.",
};

function ask(question, path, body) {
	const box = element("sure");
	const kind = body ? "all" : path.includes("image%2F") ? "image" : "one";
	box.querySelector("h2").textContent = question;
	box.querySelector("p").textContent = words[kind];
	box.onclose = () => box.returnValue === "yes" && invalidate(path, body);
	box.returnValue = "no"; /* Escape leaves it */
	box.showModal();
}

async function invalidate(path, body) {
	try {
		await send("POST", api(path), body);
	} catch (error) {
		notice(`Nothing was invalidated. ${error.message}`, look);
		return;
	}
	look();
}

/* --- looking --- */

let next;
let turn = 0;
let failed = false; /* the notice is about the last look */
const showRefused = (yes, takesToken) => {
	document.body.classList.toggle("refused", yes);
	element("sign-in").hidden = !takesToken;
};

/* One after the other: a browser asks for a password once, then. */
const parts = [["versions/", showVersions], ["stats/", showStats], ["jobs/", showJobs]];

/* Only the latest look shows anything. */
async function lookAtAll(mine) {
	for (const [path, show] of parts) {
		const answer = await getJSON(api(path));
		if (mine !== turn)
			return;
		await show(answer);
	}
	if (failed && mine === turn)
		notice("");
	failed = false;
	showRefused(false, false);
}

async function look() {
	const mine = ++turn;
	let refused = false;
	clearTimeout(next);
	try {
		await lookAtAll(mine);
	} catch (error) {
		if (mine !== turn)
			return;
		failed = true;
		refused = error.status === 401 || error.status === 403;
		notice(error.message, look);
		if (refused)
			showRefused(true, error.takesToken);
	}
	if (mine === turn && !refused && !document.hidden)
		next = setTimeout(look, hasWork() ? BUSY_MS : IDLE_MS);
}

element("sign-in").addEventListener("submit", (event) => {
	event.preventDefault();
	useToken(element("token").value.trim());
	element("token").value = "";
	look();
	fillForm();
});
element("all").addEventListener("click", () =>
	ask("Invalidate all caches?", "invalidate/", { all: true }));
document.addEventListener("visibilitychange", () => document.hidden || look());
element("all").disabled = true;
startForm(look);
look();
