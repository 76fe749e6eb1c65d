import { print } from 'observe';
print(typeof require, import.meta.url.endsWith('detect.js'), await Promise.resolve('top-level await'));
export default 1;
