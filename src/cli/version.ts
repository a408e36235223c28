import { readFileSync } from 'node:fs';

/** The version of this package. The bundle has it built in, the sources read it. */
export const VERSION: string = builtIn() ?? fromPackage();

declare const SLIPWAY_VERSION: string;

function builtIn(): string | undefined {
  return typeof SLIPWAY_VERSION === 'string' ? SLIPWAY_VERSION : undefined;
}

function fromPackage(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
