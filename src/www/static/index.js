/* SPDX-License-Identifier: MIT */
/*
 * The list of slides. What it shows is in the address (?q=name&offset=24&limit=24), so that
 * Back, Reload and a bookmark work; filtering and paging are the server's.
 */
import { count, element, facts, getJSON, make, notice, trouble, url, versioned }
	from "./common.js";

const PAGE = 24;
const PAGE_MAX = 200;
const TYPING_MS = 200;
const SLOW_MS = 300;
const AGAIN_MS = 5000; /* an empty list looks again: the first scan may be running */

const field = element("q");
const list = element("list");
let running = new AbortController();
let again;

function wanted() {
	const asked = new URLSearchParams(location.search);
	const number = (name, otherwise, least) => {
		const text = asked.get(name) ?? "";
		return /^\d{1,9}$/.test(text) && Number(text) >= least ? Number(text) : otherwise;
	};
	return {
		name: asked.get("q") ?? "",
		offset: number("offset", 0, 0),
		limit: Math.min(number("limit", PAGE, 1), PAGE_MAX),
	};
}

/* The address of this page for what it is to show; defaults are left out. */
function address({ name, offset, limit }) {
	const query = new URLSearchParams();
	if (name)
		query.set("q", name);
	if (offset > 0)
		query.set("offset", offset);
	if (limit !== PAGE)
		query.set("limit", limit);
	const text = query.toString();
	return url("./") + (text ? `?${text}` : "");
}

function apiAddress({ name, offset, limit }) {
	const query = new URLSearchParams({ limit, offset, omit: "annotations" });
	if (name)
		query.set("name__contains", name);
	return `${url("api/v1/images/images/")}?${query}`;
}

function picture(image, reason) {
	const box = make("div", { className: "picture" });
	if (reason) {
		box.classList.add("missing");
		return box;
	}
	const thumbnail = make("img", {
		loading: "lazy",
		decoding: "async",
		alt: `Thumbnail of ${image.name}`,
		src: versioned(`api/v1/images/images/${image.id}/thumbnail/`, image),
		onerror: () => {
			thumbnail.remove();
			box.classList.add("missing");
			box.title = "No thumbnail";
		},
	});
	box.append(thumbnail);
	return box;
}

function card(image) {
	const reason = trouble(image);
	const name = reason
		? make("span", {}, image.name)
		: make("a", { href: url(`viewer/${image.id}/`) }, image.name);
	const item = make("li", { className: reason ? "card broken" : "card" },
		picture(image, reason), make("h2", { title: image.name }, name));
	item.dataset.id = image.id;
	item.dataset.state = image.state ?? "ok";
	if (reason)
		item.append(make("p", { className: "reason" },
			make("strong", {}, image.state === "gone" ? "Gone" : "Unreadable"),
			` ${reason}`));
	const known = facts(image);
	if (known.length)
		item.append(make("ul", { className: "facts" },
			...known.map((fact) => make("li", {}, fact))));
	if (!reason)
		item.append(make("a", {
			className: "warm",
			href: url(`cache/?image=${image.id}`),
			title: "Store its tiles before anybody looks",
			ariaLabel: `Warm ${image.name}`,
		}, "Warm"));
	return item;
}

function showPages(want, total) {
	const nav = element("pages");
	const turn = (rel, offset, there) => {
		const link = nav.querySelector(`[rel=${rel}]`);
		link.toggleAttribute("aria-disabled", !there);
		if (there)
			link.href = address({ ...want, offset });
		else
			link.removeAttribute("href");
	};
	nav.hidden = total <= want.limit && want.offset === 0;
	turn("prev", Math.max(0, want.offset - want.limit), want.offset > 0);
	turn("next", want.offset + want.limit, want.offset + want.limit < total);
	const first = Math.min(want.offset + 1, total);
	nav.querySelector("span").textContent =
		`${first}–${Math.min(want.offset + want.limit, total)} of ${total}`;
}

function showEmpty(want, total, shown) {
	let text = "";
	if (want.name && total === 0)
		text = `No slide's name contains “${want.name}”.`;
	else if (total === 0)
		text = "There are no slides yet, or none that you may see. Slides in the slide folder appear here within a minute.";
	else if (shown === 0)
		text = "This page of the list is empty.";
	element("empty").querySelector("p").textContent = text;
	element("empty").hidden = !text;
}

function show(want, answer) {
	list.replaceChildren(...answer.results.map(card));
	showPages(want, answer.count);
	showEmpty(want, answer.count, answer.results.length);
	element("status").textContent = want.name
		? `${count(answer.count, "slide", "slides")} named “${want.name}”`
		: count(answer.count, "slide", "slides");
}

async function load() {
	const want = wanted();
	clearTimeout(again);
	running.abort();
	running = new AbortController();
	const { signal } = running;
	const slow = setTimeout(() => {
		element("status").textContent = "Loading…";
	}, SLOW_MS);
	list.setAttribute("aria-busy", "true");
	try {
		const answer = await getJSON(apiAddress(want), signal);
		notice("");
		show(want, answer);
		if (answer.count === 0 && !want.name)
			again = setTimeout(load, AGAIN_MS);
	} catch (error) {
		if (error.name === "AbortError")
			return;
		list.replaceChildren();
		element("pages").hidden = true;
		element("empty").hidden = true;
		element("status").textContent = "";
		notice(`The list of slides cannot be shown. ${error.message}`, load);
	} finally {
		clearTimeout(slow);
		if (!signal.aborted)
			list.removeAttribute("aria-busy");
	}
}

function go(want, push) {
	const there = address(want);
	if (there === location.href)
		return;
	history[push ? "pushState" : "replaceState"](null, "", there);
	load();
}

const search = () => go({ ...wanted(), name: field.value.trim(), offset: 0 }, false);

let typing;
field.addEventListener("input", () => {
	clearTimeout(typing);
	typing = setTimeout(search, TYPING_MS);
});
element("search").addEventListener("submit", (event) => {
	event.preventDefault();
	clearTimeout(typing);
	search();
});
element("pages").addEventListener("click", (event) => {
	const link = event.target.closest("a[href]");
	if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0)
		return;
	event.preventDefault();
	history.pushState(null, "", link.href);
	load();
	element("slides").focus({ preventScroll: true });
	window.scrollTo(0, 0);
});
window.addEventListener("popstate", () => {
	field.value = wanted().name;
	load();
});

field.value = wanted().name;
load();
