import { type TestContext, type TestOptions, test } from 'node:test';

/**
 * A test that shows that we are immune to a known hole. `docs/security.md` is made from the first
 * three arguments, which are therefore plain texts.
 *
 * @param part the chapter of that page
 * @param ids the advisories, or what the hole is known as
 * @param title what is true of Slipway
 * @param about which of several cases this is
 */
export function row(
  part:
    | 'Credentials'
    | 'TLS'
    | 'Names'
    | 'Content'
    | 'Archives'
    | 'Limits'
    | 'Programs'
    | 'Output'
    | 'Files'
    | 'Server',
  ids: string,
  title: string,
  work: (t: TestContext) => Promise<void>,
  { about, ...options }: TestOptions & { readonly about?: string } = {},
): void {
  const suffix = about === undefined ? '' : ` (${about})`;
  test(`${part}: ${ids}: ${title}${suffix}`, options, work);
}
