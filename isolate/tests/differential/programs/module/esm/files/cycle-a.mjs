import { b } from './cycle-b.mjs'; export const a = 1; export const seen = () => [a, b];
