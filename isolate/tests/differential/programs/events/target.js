const { attempt, print } = require('observe');
const target = new EventTarget();
const told = (event) =>
  print(event.type, event.cancelable, event.defaultPrevented, event.eventPhase, event.target === target, event instanceof Event);
target.addEventListener('a', told);
target.addEventListener('a', told);
target.addEventListener(
  'a',
  {
    handleEvent(event) {
      print('object', this !== undefined, event.type);
    },
  },
  { once: true },
);
target.addEventListener('a', (event) => {
  event.preventDefault();
  event.stopImmediatePropagation();
});
target.addEventListener('a', () => print('not reached'));
print(target.dispatchEvent(new Event('a', { cancelable: true })), target.dispatchEvent(new Event('a')));
target.removeEventListener('a', told);
const control = new AbortController();
target.addEventListener('b', () => print('b'), { signal: control.signal });
target.dispatchEvent(new Event('b'));
control.abort();
target.dispatchEvent(new Event('b'));
target.addEventListener('c', (event) => print(event.detail, event.constructor.name));
target.dispatchEvent(new CustomEvent('c', { detail: { x: 1 } }));
attempt('no event', () => target.dispatchEvent({}));
attempt('no arguments', () => new Event());
attempt('no listener', () => target.addEventListener('a', 5));
attempt('nothing', () => target.addEventListener('a'));
const event = new Event('x', { bubbles: true, composed: true });
print(event.bubbles, event.composed, event.isTrusted, event.returnValue, event.cancelBubble, event.composedPath(), typeof event.timeStamp);
