import { setFlagsFromString } from 'node:v8';
import { parentPort } from 'node:worker_threads';
import { InvalidTemplateError, parse, TemplatingError } from '@evertdespiegeleer/go-template';
import type { Rendered, Rendering } from './template.ts';

/** Of 64 KiB each. V8 has no such limit for one instance; nothing else here needs as much. */
const MAX_PAGES = 2048;
const MAX_LENGTH = 64 * 1024;

// Before the first template: the engine is made then.
setFlagsFromString(`--wasm-max-mem-pages=${MAX_PAGES}`);

async function render({ template, values }: Rendering): Promise<Rendered> {
  try {
    const text = await parse(template, values);
    if (text.length <= MAX_LENGTH) return { text };
    return { problem: `it gives more than ${MAX_LENGTH} characters` };
  } catch (error) {
    const isSaid = error instanceof InvalidTemplateError || error instanceof TemplatingError;
    // The engine ends without a word where memory does.
    if (!isSaid) return { problem: `it needs more than ${MAX_PAGES / 16} MiB`, isBroken: true };
    return { problem: error.message === '' ? 'its templates go too deep' : error.message };
  }
}

// Without a receiver there is nobody to render for.
parentPort?.on('message', async (rendering: Rendering) => {
  parentPort?.postMessage(await render(rendering));
});
parentPort?.postMessage('ready');
