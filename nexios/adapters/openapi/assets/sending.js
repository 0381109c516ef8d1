"use strict";
// Puts a request together from what was typed in, sends it, and tells how it would be sent by hand.

/** What was entered under "Authorize"; kept in this page's memory only. */
const credentials = new Map();

/** Adds what the first requirement that can be met asks for. */
function authorize(whole, operation, headers, query) {
  const schemes = (whole.components || {}).securitySchemes || {};
  const wanted = operation.security || whole.security || [];
  const met = wanted.find((each) => Object.keys(each).length && Object.keys(each).every((name) => credentials.get(name)));
  for (const name of Object.keys(met || {})) {
    const scheme = schemes[name] || {}, given = credentials.get(name);
    if (scheme.type === "apiKey" && scheme.in === "header") headers[scheme.name] = given;
    else if (scheme.type === "apiKey" && scheme.in === "query") query.append(scheme.name, given);
    else if (scheme.type === "http" && scheme.scheme.toLowerCase() === "basic") {
      headers.Authorization = "Basic " + btoa(String.fromCharCode(...new TextEncoder().encode(given)));
    } else if (scheme.type !== "apiKey") headers.Authorization = "Bearer " + given;
  }
}

/** The request as fetch takes it. `values` has one entry for each parameter that was filled in. */
function assemble(whole, server, path, method, operation, values, body) {
  const headers = {}, query = new URLSearchParams();
  let target = path;
  for (const [parameter, value] of values) {
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, () => encodeURIComponent(value));
    else if (parameter.in === "query") for (const one of [value].flat()) query.append(parameter.name, one);
    else if (parameter.in === "header") headers[parameter.name] = [value].flat().join(", ");
  }
  authorize(whole, operation, headers, query);
  if (body && body.media && !(body.content instanceof FormData)) headers["Content-Type"] = body.media;
  const base = new URL(server, document.baseURI).href.replace(/\/$/, "");
  const search = query.toString();
  return {
    url: base + target + (search ? "?" + search : ""),
    options: { method: method.toUpperCase(), headers, body: body ? body.content : undefined, credentials: "same-origin" },
  };
}

/** The same request as a line of a shell. */
function curl({ url, options }) {
  const quote = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
  const parts = [`${options.method === "GET" ? "curl" : `curl -X ${options.method}`} ${quote(url)}`];
  for (const [name, value] of Object.entries(options.headers)) parts.push("-H " + quote(`${name}: ${value}`));
  if (options.body instanceof FormData) {
    for (const [name, value] of options.body) parts.push("-F " + quote(`${name}=${value instanceof File ? "@" + value.name : value}`));
  } else if (options.body) parts.push("-d " + quote(String(options.body)));
  return parts.join(" \\\n  ");
}

/** Sends it and returns what came back, ready to be shown. */
async function exchange({ url, options }) {
  const begun = performance.now();
  const response = await fetch(url, options);
  const content = await response.blob();
  const media = response.headers.get("content-type") || "";
  const answer = {
    status: response.status, words: response.statusText, media, size: content.size,
    took: Math.round(performance.now() - begun), headers: [...response.headers],
  };
  if (/json|text|xml|javascript|urlencoded/.test(media) && content.size < 2 ** 20) {
    answer.text = await content.text();
    if (/json/.test(media)) {
      try {
        answer.text = JSON.stringify(JSON.parse(answer.text), null, 2);
        answer.json = true;
      } catch (error) {
        answer.note = "This says it is JSON and is not: " + error.message;
      }
    }
  } else if (content.size) answer.file = URL.createObjectURL(content);
  return answer;
}
