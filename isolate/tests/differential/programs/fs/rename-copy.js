const fs = require('fs');
const { attempt, callback } = require('observe');
fs.writeFileSync('a', 'text', { mode: 0o755 });
fs.mkdirSync('d/e', { recursive: true });
fs.writeFileSync('d/e/f', 'f');
attempt('rename', () => (fs.renameSync('a', 'b'), fs.readFileSync('b', 'utf8')));
attempt('rename missing', () => fs.renameSync('a', 'c'));
attempt('over a directory', () => fs.renameSync('b', 'd'));
attempt('directory over a file', () => fs.renameSync('d', 'b'));
attempt('into itself', () => fs.renameSync('d', 'd/e/g'));
attempt('copy', () => (fs.copyFileSync('b', 'c'), (fs.statSync('c').mode & 0o777).toString(8)));
attempt('copy exclusive', () => fs.copyFileSync('b', 'c', fs.constants.COPYFILE_EXCL));
attempt('copy missing', () => fs.copyFileSync('missing', 'x'));
attempt('copy a directory', () => fs.copyFileSync('d', 'x'));
attempt('copy onto a directory', () => fs.copyFileSync('b', 'd'));
attempt('copy mode', () => fs.copyFileSync('b', 'c', 99));
attempt('truncate', () => (fs.truncateSync('c', 2), fs.readFileSync('c', 'utf8')));
attempt('truncate missing', () => fs.truncateSync('missing'));
attempt('truncate negative', () => (fs.truncateSync('c', -3), fs.statSync('c').size));
attempt('cp of a directory', () => fs.cpSync('d', 'copy'));
attempt('cp', () => (fs.cpSync('d', 'copy', { recursive: true }), fs.readFileSync('copy/e/f', 'utf8')));
attempt(
  'cp filter',
  () => (fs.cpSync('d', 'filtered', { recursive: true, filter: (from) => !from.endsWith('f') }), fs.readdirSync('filtered/e')),
);
attempt('cp exists', () => fs.cpSync('b', 'c', { force: false, errorOnExist: true }));
attempt('cp into itself', () => fs.cpSync('d', 'd/e/x', { recursive: true }));
attempt('cp missing', () => fs.cpSync('missing', 'x'));
fs.rename('missing', 'x', callback('rename'));
fs.copyFile('missing', 'x', callback('copyFile'));
