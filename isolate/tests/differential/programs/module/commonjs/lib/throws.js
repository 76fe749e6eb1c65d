throw new TypeError('while loading');
