import { after } from 'node:test';
import type { Owner } from './lifetime.ts';

let cleanUpFile = async () => {};
// Here, while the file is loaded, it is a hook of the file; in another hook it would be that one's.
after(() => cleanUpFile());

/** Cleans up when all tests of the file have run: for what its tests share. */
export const THIS_FILE: Owner = {
  after(cleanUp) {
    cleanUpFile = cleanUp;
  },
};
