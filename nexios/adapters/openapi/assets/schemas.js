"use strict";
// What a JSON schema says, in words, as a tree and as an example.

class Schemas {
  constructor(whole) {
    this.whole = whole;
  }

  /** The object a reference points to; its name beside it. */
  follow(node) {
    let name = null;
    for (let hops = 0; node && node.$ref && hops < 20; hops += 1) {
      const path = node.$ref.replace(/^#\//, "").split("/").map((part) => decodeURIComponent(part).replace(/~1/g, "/").replace(/~0/g, "~"));
      name = path[path.length - 1];
      const { $ref, ...beside } = node;
      const target = path.reduce((at, part) => (at ? at[part] : undefined), this.whole);
      node = target && Object.keys(beside).length ? { ...target, ...beside } : target;
    }
    return [node || {}, name];
  }

  /** The alternatives of a schema less null, and whether null is one of them. */
  alternatives(schema) {
    const all = schema.anyOf || schema.oneOf;
    if (!all) {
      if (!Array.isArray(schema.type)) return [null, false];
      const types = schema.type.filter((type) => type !== "null");
      return [types.map((type) => ({ ...schema, type })), types.length < schema.type.length];
    }
    const kept = all.filter((one) => one.type !== "null");
    return [kept, kept.length < all.length];
  }

  /** The type in words: `array of Part`, `string (uuid) or null`. */
  type(given) {
    const [schema, name] = this.follow(given);
    const [kept, nullable] = this.alternatives(schema);
    if (kept) return kept.map((one) => this.type(one)).join(" or ") + (nullable ? " or null" : "");
    if (name && (schema.properties || schema.enum)) return name;
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.type === "array") return "array of " + (schema.items ? this.type(schema.items) : "any");
    if (schema.type === "object" && typeof schema.additionalProperties === "object") {
      return "map of " + this.type(schema.additionalProperties);
    }
    if (schema.allOf && schema.allOf.length) return schema.allOf.map((one) => this.type(one)).join(" and ");
    const format = schema.format || schema.contentMediaType;
    return (schema.type || "any") + (format ? ` (${format})` : "");
  }

  /** What else holds: limits, pattern, choices, default. */
  limits(given) {
    const [schema] = this.follow(given);
    const [kept] = this.alternatives(schema);
    if (kept && kept.length === 1) return this.limits({ ...kept[0], ...("default" in schema ? { default: schema.default } : {}) });
    const words = [];
    const sign = { minimum: "≥", exclusiveMinimum: ">", maximum: "≤", exclusiveMaximum: "<" };
    for (const [key, text] of Object.entries(sign)) if (schema[key] !== undefined) words.push(`${text} ${schema[key]}`);
    const count = { Length: "characters", Items: "items", Properties: "members" };
    for (const [key, unit] of Object.entries(count)) {
      const low = schema["min" + key], high = schema["max" + key];
      if (low !== undefined && high !== undefined) words.push(`${low} to ${high} ${unit}`);
      else if (low !== undefined) words.push(`${low} or more ${unit}`);
      else if (high !== undefined) words.push(`up to ${high} ${unit}`);
    }
    if (schema.uniqueItems) words.push("no item twice");
    if (schema.multipleOf) words.push("multiple of " + schema.multipleOf);
    if (schema.pattern) words.push("matches " + schema.pattern);
    if (schema.enum) words.push("one of " + schema.enum.map((one) => JSON.stringify(one)).join(", "));
    if (schema.default !== undefined && schema.default !== null) words.push("default " + JSON.stringify(schema.default));
    return words;
  }

  /** The schema whose members are worth a list of their own, or null. */
  inner(given) {
    const [schema] = this.follow(given);
    const [kept] = this.alternatives(schema);
    if (kept) return kept.length === 1 ? this.inner(kept[0]) : kept.some((one) => this.inner(one)) ? { variants: kept } : null;
    if (schema.properties || (schema.allOf && schema.allOf.length)) return schema;
    if (schema.type === "array" && schema.items) return this.inner(schema.items);
    if (schema.additionalProperties && typeof schema.additionalProperties === "object") return this.inner(schema.additionalProperties);
    return null;
  }

  /** The members as a list; nested ones unfold when they are asked for. */
  tree(given, depth = 0) {
    const inner = this.inner(given);
    if (!inner) return null;
    if (inner.variants) {
      return h("ul", { class: "members" }, inner.variants.map((one) => this.row(this.follow(one)[1] || "alternative", one, false, depth)));
    }
    const properties = {}, required = new Set(inner.required || []);
    for (const part of inner.allOf || []) {
      const [other] = this.follow(part);
      Object.assign(properties, other.properties);
      for (const name of other.required || []) required.add(name);
    }
    Object.assign(properties, inner.properties);
    const rows = Object.entries(properties).map(([name, one]) => this.row(name, one, required.has(name), depth));
    if (inner.additionalProperties === false) rows.push(h("li", { class: "quiet" }, "No other members are taken."));
    return h("ul", { class: "members" }, rows);
  }

  row(name, given, required, depth) {
    const [schema] = this.follow(given);
    const description = given.description || (this.inner(given) ? null : schema.description);
    const head = [
      h("code", { class: "name" }, name), " ",
      h("span", { class: "type" }, this.type(given)),
      required ? h("span", { class: "required" }, "required") : null,
      schema.deprecated ? h("span", { class: "required" }, "deprecated") : null,
      this.limits(given).map((text) => h("span", { class: "limit" }, text)),
      description ? h("div", { class: "prose" }, prose(description)) : null,
    ];
    if (!this.inner(given)) return h("li", null, head);
    const details = h("details", {
      ontoggle: () => {
        if (details.open && details.children.length === 1) details.append(this.tree(given, depth + 1));
      },
    }, h("summary", null, head));
    if (depth < 1) {
      details.append(this.tree(given, depth + 1));
      details.open = true;
    }
    return h("li", null, details);
  }

  /** One value that the schema takes. */
  example(given, depth = 0) {
    const [schema] = this.follow(given || {});
    if (schema.example !== undefined) return schema.example;
    if (Array.isArray(schema.examples) && schema.examples.length) return schema.examples[0];
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return schema.enum[0];
    if (schema.default !== undefined && schema.default !== null) return schema.default;
    const [kept, nullable] = this.alternatives(schema);
    if (kept) return kept.length && depth < 5 ? this.example(kept[0], depth + 1) : nullable ? null : undefined;
    if (schema.allOf) return Object.assign({}, ...schema.allOf.map((one) => this.example(one, depth)), this.members(schema, depth));
    if (schema.type === "array") return schema.items && depth < 5 ? [this.example(schema.items, depth + 1)].filter((one) => one !== undefined) : [];
    if (schema.type === "object" || schema.properties) return depth < 5 ? this.members(schema, depth) : {};
    if (schema.type === "boolean") return true;
    if (schema.type === "integer" || schema.type === "number") return this.number(schema);
    if (schema.type === "null") return null;
    return schema.type === "string" ? this.text(schema) : undefined;
  }

  members(schema, depth) {
    const value = {};
    for (const [name, one] of Object.entries(schema.properties || {})) {
      const example = this.example(one, depth + 1);
      if (example !== undefined) value[name] = example;
    }
    if (!schema.properties && schema.additionalProperties && typeof schema.additionalProperties === "object") {
      value.name = this.example(schema.additionalProperties, depth + 1);
    }
    return value;
  }

  number(schema) {
    const step = schema.type === "integer" ? 1 : 0.5;
    if (schema.minimum !== undefined) return Math.max(schema.minimum, Math.min(1, schema.maximum ?? 1));
    if (schema.exclusiveMinimum !== undefined) return schema.exclusiveMinimum + step;
    if (schema.maximum !== undefined) return Math.min(schema.maximum, 1);
    return schema.exclusiveMaximum !== undefined ? schema.exclusiveMaximum - step : 1;
  }

  text(schema) {
    const known = {
      uuid: "3fa85f64-5717-4562-b3fc-2c963f66afa6", date: "2026-01-31", "date-time": "2026-01-31T10:00:00Z", time: "10:00:00",
      duration: "PT1H", email: "name@example.org", uri: "https://example.org/", ipv4: "192.0.2.1", ipv6: "2001:db8::1", binary: "",
    };
    if (schema.format in known) return known[schema.format];
    // A decimal as text, as the documents of Nexios have it.
    if (schema.pattern && new RegExp(schema.pattern).test("1.50")) return "1.50";
    return "text".padEnd(schema.minLength || 0, "x").slice(0, schema.maxLength ?? 10 ** 4);
  }
}
