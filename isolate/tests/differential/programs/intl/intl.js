const { attempt, print } = require('observe');
const date = new Date(Date.UTC(2024, 1, 29, 13, 5, 9));
print(
  date.toLocaleString(),
  date.toLocaleDateString('de-DE', { dateStyle: 'full' }),
  date.toLocaleTimeString('en-GB'),
  new Intl.DateTimeFormat('ja', { timeZone: 'Asia/Tokyo', dateStyle: 'long', timeStyle: 'short' }).format(date),
  Intl.DateTimeFormat().resolvedOptions().locale,
  Intl.DateTimeFormat().resolvedOptions().timeZone,
  String(date),
  date.toISOString(),
);
print(
  (1234567.891).toLocaleString(),
  (0.256).toLocaleString('fr', { style: 'percent' }),
  new Intl.NumberFormat('en-IN', { style: 'currency', currency: 'INR' }).format(1e6),
  new Intl.NumberFormat('ar-EG').format(123),
  new Intl.PluralRules('ru').select(2),
  new Intl.ListFormat('en').format(['a', 'b', 'c']),
  new Intl.RelativeTimeFormat('es', { numeric: 'auto' }).format(-1, 'day'),
  ['z', '\u00e4', 'a'].sort(new Intl.Collator('sv').compare),
  'I'.toLocaleLowerCase('tr'),
  [...new Intl.Segmenter('en', { granularity: 'word' }).segment('a b')].length,
  new Intl.DisplayNames('en', { type: 'region' }).of('FR'),
  '\u0065\u0301'.normalize('NFC').length,
);
attempt('locale', () => new Intl.NumberFormat('x'));
attempt('zone', () => new Date().toLocaleString('en', { timeZone: 'None/Where' }));
attempt('currency', () => new Intl.NumberFormat('en', { style: 'currency' }));
