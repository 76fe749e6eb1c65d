import { a } from './cycle-a.mjs'; export let b; try { b = a; } catch (error) { b = error.message; }
