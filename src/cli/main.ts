import { runProcess } from './process.ts';

// The program, from its sources.
await runProcess();
