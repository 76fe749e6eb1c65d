const fs = require('fs');
const { attempt, callback } = require('observe');
fs.writeFileSync('a', 'text');
attempt('link', () => (fs.linkSync('a', 'hard'), fs.statSync('a').nlink));
attempt('link again', () => fs.linkSync('a', 'hard'));
attempt('link missing', () => fs.linkSync('missing', 'x'));
attempt('symlink', () => (fs.symlinkSync('a', 'soft'), fs.readlinkSync('soft')));
attempt('symlink again', () => fs.symlinkSync('a', 'soft'));
attempt('through', () => fs.readFileSync('soft', 'utf8'));
attempt('readlink of a file', () => fs.readlinkSync('a'));
attempt('readlink missing', () => fs.readlinkSync('missing'));
attempt('readlink buffer', () => fs.readlinkSync('soft', 'buffer'));
attempt('loop', () => {
  fs.symlinkSync('loop', 'loop');
  return fs.readFileSync('loop');
});
attempt('realpath', () => fs.realpathSync('soft').split('/').pop());
attempt('realpath of a loop', () => fs.realpathSync('loop').length);
attempt('realpath missing', () => fs.realpathSync('missing').length);
attempt('native', () => fs.realpathSync.native('soft').split('/').pop());
attempt('unlink', () => (fs.unlinkSync('soft'), fs.existsSync('a')));
attempt('unlink missing', () => fs.unlinkSync('soft'));
attempt('absolute', () => {
  fs.symlinkSync(process.cwd() + '/a', 'abs');
  return fs.realpathSync('abs') === process.cwd() + '/a';
});
attempt('lchown', () => fs.lchownSync('abs', process.getuid(), process.getgid()));
(async () => {
  const symlink = callback('symlink');
  fs.symlink('a', 'abs', symlink);
  await symlink.done;
  const realpath = callback('realpath');
  fs.realpath('missing', realpath);
  await realpath.done;
  fs.readlink('abs', (error, path) => callback('readlink')(error, path === process.cwd() + '/a'));
})();
