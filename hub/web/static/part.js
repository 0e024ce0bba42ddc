// A part of a page, fetched and parsed: `ilotPart(path)` gives a document, or fails. It is XMLHttpRequest that parses:
// text that a script turns into elements is forbidden here (require-trusted-types-for), and nothing in it is run.
"use strict";

const ilotPart = (path) => new Promise((done, fail) => {
  const ask = new XMLHttpRequest();
  ask.open("GET", path);
  ask.responseType = "document";
  ask.timeout = 15000;
  ask.onload = () => (ask.status === 200 && ask.response ? done(ask.response) : fail(new Error(String(ask.status))));
  ask.onerror = ask.ontimeout = () => fail(new Error("silent"));
  ask.send();
});
