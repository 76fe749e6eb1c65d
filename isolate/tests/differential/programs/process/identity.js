const { attempt, print } = require('observe');
const [uid, gid] = [process.getuid(), process.getgid()];
for (const [name, id] of [
  ['setuid', uid],
  ['setgid', gid],
  ['seteuid', uid],
  ['setegid', gid],
]) {
  attempt(`${name} same`, () => process[name](id));
  attempt(`${name} root`, () => process[name](0));
  attempt(`${name} type`, () => process[name]({}));
  attempt(`${name} fraction`, () => process[name](1.5));
  attempt(`${name} name`, () => process[name]('nobodyatall'));
}
print(process.getuid() === uid, process.geteuid() === uid, process.getgid() === gid, process.getegid() === gid);
