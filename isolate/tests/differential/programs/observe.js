// What programs of the suite print their observations with.
'use strict';
const { inspect } = require('util');

const text = (value) => (typeof value === 'string' ? value : inspect(value, { depth: 4, breakLength: 120 }));
const print = (...words) => console.log(words.map(text).join(' '));

// An error by what a program can act on.
function described(error) {
  if (error === null || typeof error !== 'object') return `thrown ${text(error)}`;
  const parts = [`${error.name}`];
  for (const key of ['code', 'errno', 'syscall', 'path', 'dest', 'address']) {
    if (error[key] !== undefined) parts.push(`${key}=${text(error[key])}`);
  }
  return `${parts.join(' ')}: ${error.message}`;
}

// Prints what a function gives, or what it throws.
function attempt(label, run) {
  let value;
  try {
    value = run();
  } catch (error) {
    print(label, '!', described(error));
    return undefined;
  }
  print(label, '=', value);
  return value;
}

// The same for what a function promises.
async function later(label, run) {
  let value;
  try {
    value = await (typeof run === 'function' ? run() : run);
  } catch (error) {
    print(label, '!', described(error));
    return undefined;
  }
  print(label, '=', value);
  return value;
}

// A callback that prints what it is given, and settles a promise.
function callback(label) {
  let settle;
  const done = new Promise((resolve) => (settle = resolve));
  const called = (error, ...values) => {
    if (error) print(label, '!', described(error));
    else print(label, '=', ...values);
    settle(values[0]);
  };
  called.done = done;
  return called;
}

// Prints the events of an emitter as they come.
function events(label, emitter, names) {
  for (const name of names) {
    emitter.on(name, (...values) => {
      print(
        label,
        name,
        ...values.map((value) => (value instanceof Error ? described(value) : Buffer.isBuffer(value) ? `<${value}>` : value)),
      );
    });
  }
  return emitter;
}

module.exports = { attempt, callback, described, events, later, print };
