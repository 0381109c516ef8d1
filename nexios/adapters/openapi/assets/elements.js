"use strict";
// Small helpers: elements without markup in strings, and the little markdown that descriptions use.

/** Makes an element; `attributes` with `on...` are listeners, children may be nested lists. */
function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && typeof value !== "string") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Text with `code`, **bold** and [links](https://...), as nodes. */
function inline(text) {
  const pattern = /`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(pattern)) {
    nodes.push(text.slice(end, found.index));
    if (found[1]) nodes.push(h("code", null, found[1]));
    else if (found[2]) nodes.push(h("strong", null, found[2]));
    else nodes.push(h("a", { href: found[4], rel: "noreferrer" }, found[3]));
    end = found.index + found[0].length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((node) => node !== "");
}

/** A description as blocks: paragraphs, lists and fenced code. */
function prose(text) {
  const blocks = [];
  const parts = String(text || "").split(/```[^\n]*\n([\s\S]*?)```/);
  parts.forEach((part, index) => {
    if (index % 2) {
      blocks.push(h("pre", null, part.replace(/\n$/, "")));
      return;
    }
    for (const block of part.split(/\n\s*\n/)) {
      const lines = block.split("\n").filter((line) => line.trim());
      if (!lines.length) continue;
      if (lines.every((line) => /^\s*[-*] |^\s{2,}\S/.test(line)) && /^\s*[-*] /.test(lines[0])) {
        const items = [];
        for (const line of lines) {
          if (/^\s*[-*] /.test(line)) items.push(line.replace(/^\s*[-*] /, ""));
          else items[items.length - 1] += " " + line.trim();
        }
        blocks.push(h("ul", null, items.map((item) => h("li", null, inline(item)))));
      } else {
        blocks.push(h("p", null, inline(lines.map((line) => line.replace(/^#+ /, "")).join(" "))));
      }
    }
  });
  return blocks;
}

/** JSON with its parts told apart by colour, as nodes. */
function colored(text) {
  const pattern = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(pattern)) {
    nodes.push(text.slice(end, found.index));
    const kind = found[2] ? "key" : found[1] ? "text" : found[3] ? "word" : "number";
    nodes.push(h("span", { class: "json-" + kind }, found[1] || found[0]), found[2] || "");
    end = found.index + found[0].length;
  }
  nodes.push(text.slice(end));
  return nodes;
}

/** A block of code with a button that copies it. */
function code(text, label, json) {
  const copy = h("button", {
    type: "button", class: "copy", "aria-label": "Copy " + label,
    onclick: async () => {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    },
  }, "Copy");
  const pre = h("pre", { tabIndex: 0, "aria-label": label }, h("code", null, json ? colored(text) : text));
  return h("div", { class: "code" }, navigator.clipboard ? copy : null, pre);
}
