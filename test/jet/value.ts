import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { readDocument, type Value } from '../../src/jet/document.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';

/** A text as a value of a file. */
export async function textValue(owner: Owner, text: string): Promise<Value> {
  const file = path.join(await tempDir(owner), 'it.yml');
  await writeFile(file, JSON.stringify({ it: text }));
  const value = (await readDocument(file, 'it.yml')).fields().get('it');
  if (value === undefined) throw new Error('there is no value');
  return value;
}
