/** Writes what the tests in test/security prove to docs/security.md. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { securityPage } from '../test/security/page.ts';

await writeFile(path.join(path.dirname(import.meta.dirname), 'docs/security.md'), securityPage());
