import { SlipwayError } from '../errors.ts';
import { familiarReference, parseReference } from '../oci/reference.ts';
import type { Dockerfile } from './engine.ts';

/** An image that is a folder on top of another image. */
export interface FolderImage {
  /** reference of the image below, `scratch` if left out */
  readonly base?: string | undefined;
  /** words, or a JSON list of them */
  readonly entrypoint?: string | undefined;
  /** absolute folder inside of the image, `/app` if left out */
  readonly into?: string | undefined;
}

/**
 * The Dockerfile of a folder that has none: the folder is put on top of a base image.
 *
 * @throws SlipwayError `USAGE`, `REFERENCE_INVALID`
 */
export function folderDockerfile({ base, entrypoint, into = '/app' }: FolderImage): Dockerfile {
  // It stands inside quotes, where nothing but these would be changed.
  if (!/^\/[^"\\$\s\p{Cc}]*$/u.test(into)) {
    throw new SlipwayError('USAGE', `--into ${JSON.stringify(into)} is no absolute folder`, {
      hint: 'for example --into /app; without blanks, quotes and $',
    });
  }
  const from =
    base === undefined || base === 'scratch' ? 'scratch' : familiarReference(parseReference(base));
  const lines = [
    `FROM ${from}`,
    `COPY [".", ${JSON.stringify(into)}]`,
    `WORKDIR ${into}`,
    ...(entrypoint === undefined ? [] : [`ENTRYPOINT ${JSON.stringify(wordsOf(entrypoint))}`]),
  ];
  return { name: 'the folder', bytes: Buffer.from(`${lines.join('\n')}\n`) };
}

function wordsOf(text: string): readonly string[] {
  if (!text.trim().startsWith('[')) return text.split(/\s+/).filter((word) => word !== '');
  try {
    const json: unknown = JSON.parse(text);
    if (Array.isArray(json) && json.every((word) => typeof word === 'string')) return json;
  } catch {
    // The same error as for a list of other things.
  }
  throw new SlipwayError('USAGE', '--entrypoint is no JSON list of texts', {
    hint: 'for example --entrypoint \'["/app/server", "--port", "8080"]\'',
  });
}
