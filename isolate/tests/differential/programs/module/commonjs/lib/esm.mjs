export default 'esm'; export const named = 1;
