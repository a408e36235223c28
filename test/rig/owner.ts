import type { Owner } from './lifetime.ts';

/** An owner outside of tests: `end` cleans up what was registered with it. */
export function ownerWithEnd(): { readonly owner: Owner; readonly end: () => Promise<void> } {
  let cleanUp = async () => {};
  const owner: Owner = {
    after(all) {
      cleanUp = all;
    },
  };
  return { owner, end: () => cleanUp() };
}
