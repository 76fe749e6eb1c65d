const { performance, PerformanceObserver, monitorEventLoopDelay, createHistogram, constants, PerformanceEntry } = require('perf_hooks');
const { attempt, print } = require('observe');
print(
  typeof performance.now(),
  performance === globalThis.performance,
  performance.timeOrigin > 1e12,
  typeof performance.toJSON().timeOrigin,
  Object.prototype.toString.call(performance),
);
const one = performance.mark('one', { detail: { a: 1 }, startTime: 5 });
print(one.name, one.entryType, one.startTime, one.duration, one.detail, one instanceof PerformanceEntry, one.constructor.name);
performance.mark('two', { startTime: 15 });
const measured = performance.measure('between', 'one', 'two');
print(
  measured.duration,
  measured.startTime,
  measured.detail,
  performance.measure('options', { start: 1, duration: 4, detail: 'd' }).duration,
);
print(
  'entries',
  performance.getEntries().map((entry) => entry.name),
);
print(
  performance.getEntriesByName('one').length,
  performance.getEntriesByType('measure').length,
);
performance.clearMarks('one');
performance.clearMeasures();
print(performance.getEntries().map((entry) => entry.name));
attempt('measure', () => performance.measure('x', 'none'));
attempt('mark', () => performance.mark());
attempt('negative', () => performance.mark('x', { startTime: -1 }));
attempt('both', () => performance.measure('x', { start: 1, end: 2, duration: 3 }));
const observer = new PerformanceObserver((list, self) => {
  print(
    'observed',
    list.getEntries().map((entry) => `${entry.entryType} ${entry.name}`),
  );
  self.disconnect();
});
observer.observe({ entryTypes: ['mark', 'measure'] });
performance.mark('seen');
performance.measure('also', 'seen');
attempt('observer', () => new PerformanceObserver());
attempt('observe', () => observer.observe({}));
print(PerformanceObserver.supportedEntryTypes.includes('mark'));
const timed = performance.timerify((a) => a * 2);
print(timed(4), timed.name, timed.length);
attempt('timerify', () => performance.timerify(5));
print(Object.keys(performance.eventLoopUtilization()));
print('timing', typeof performance.nodeTiming?.bootstrapComplete);
const histogram = createHistogram();
histogram.record(5);
histogram.record(15);
print(histogram.min, histogram.max, histogram.mean, histogram.exceeds, histogram.count, histogram.percentile(50));
attempt('record', () => histogram.record(0));
attempt('percentile', () => histogram.percentile(0));
const delay = monitorEventLoopDelay({ resolution: 5 });
print(delay.enable(), delay.disable());
attempt('resolution', () => monitorEventLoopDelay({ resolution: 'x' }));
print('constants', typeof constants.NODE_PERFORMANCE_GC_MAJOR);
