import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlipwayError } from '../../src/errors.ts';
import { parseConfig } from '../../src/oci/config.ts';
import { type Descriptor, parseDescriptor } from '../../src/oci/descriptor.ts';
import { isDigest } from '../../src/oci/digest.ts';
import { childrenOf, parseManifest } from '../../src/oci/manifest.ts';
import { runs } from '../rig/long.ts';
import { bytesOf, configJson, indexJson, type Json, manifestJson } from './documents.ts';

const RUNS = runs(10_000, 200_000);

/** Values that a field doesn't expect. */
const oddValue = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 2 ** 53, 1.5, '', '..', [], {}, [[]], { digest: 1 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.jsonValue({ maxDepth: 2 }),
);

/** Puts `value` at one of all places of a document, or takes the place away. */
function mutate(document: Json, at: number, value: unknown, kind: 'set' | 'cut' | 'rename'): Json {
  const places: [Record<string, unknown>, string][] = [];
  const collect = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const key of Object.keys(node)) {
      places.push([node as Json, key]);
      collect((node as Json)[key]);
    }
  };
  collect(document);
  const place = places[at % places.length];
  if (place === undefined) return document;
  const [node, key] = place;
  if (kind === 'set') node[key] = value;
  else {
    if (kind === 'rename') node[key.toUpperCase()] = node[key];
    delete node[key];
  }
  return document;
}

function onlyOurErrors(parse: () => void): void {
  try {
    parse();
  } catch (error) {
    assert.ok(error instanceof SlipwayError, String(error));
    assert.ok(['CONTENT_INVALID', 'LIMIT_EXCEEDED'].includes(error.code), error.code);
    assert.doesNotMatch(error.message, /[\u0000-\u001f\u007f-\u009f]/);
  }
}

/** What every descriptor that got through must be. */
function checkDescriptor(descriptor: Descriptor): void {
  assert.ok(isDigest(descriptor.digest));
  assert.ok(Number.isSafeInteger(descriptor.size) && descriptor.size >= 0);
  assert.match(descriptor.mediaType, /^[^\s/]+\/[^\s/]+$/);
}

const documents = fc.constantFrom(manifestJson, indexJson, configJson);
const kinds = fc.constantFrom('set' as const, 'cut' as const, 'rename' as const);

test('ten thousand mutated documents are read as what they say or refused in our words', () => {
  fc.assert(
    fc.property(documents, fc.nat(), oddValue, kinds, (make, at, value, kind) => {
      const bytes = bytesOf(mutate(make(), at, value, kind));
      onlyOurErrors(() => {
        if (make === configJson) {
          assert.ok(parseConfig(bytes).diffIds.every(isDigest));
          return;
        }
        const document = parseManifest(bytes);
        childrenOf(document).forEach(checkDescriptor);
        assert.equal(document.kind === 'index', 'manifests' in document.json);
      });
    }),
    RUNS,
  );
});

test('ten thousand documents with changed bytes, too', () => {
  fc.assert(
    fc.property(
      documents,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(),
      (make, changes, end) => {
        const bytes = Buffer.from(bytesOf(make()));
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        const cut = end % 3 === 0 ? bytes.subarray(0, end % bytes.length) : bytes;
        onlyOurErrors(() => {
          if (make === configJson) parseConfig(cut);
          else childrenOf(parseManifest(cut)).forEach(checkDescriptor);
        });
      },
    ),
    RUNS,
  );
});

test('any value is a descriptor or refused in our words', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      onlyOurErrors(() => checkDescriptor(parseDescriptor(json, 'it')));
    }),
    runs(1_000, 50_000),
  );
});
