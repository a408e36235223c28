import { randomBytes } from 'node:crypto';
import { fromMemory } from '../bytes/stream.ts';
import { readManifest } from '../content/graph.ts';
import type { Signalled } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { HttpResponse } from '../http/client.ts';
import { type Descriptor, describe } from '../oci/descriptor.ts';
import { type Digest, digestOf } from '../oci/digest.ts';
import { isJsonObject } from '../oci/json.ts';
import { encodeDocument } from '../oci/manifest.ts';
import { type RepositoryContext, whereIs } from './context.ts';
import { registryError } from './errors.ts';
import { fetchManifest, putManifest, resolveManifest } from './manifests.ts';
import { repositoryScope } from './scope.ts';

/**
 * Deletes a manifest with all its tags (distribution-spec, "Deleting manifests"). False if it
 * wasn't there.
 *
 * @throws SlipwayError `UNSUPPORTED` where the registry deletes nothing, `DENIED`
 */
export async function removeManifest(
  context: RepositoryContext,
  digest: Digest,
  { signal }: Signalled = {},
): Promise<boolean> {
  const response = await sendDelete(context, digest, signal);
  if (!isDone(response) && response.status !== 404) throw await refused(context, response, digest);
  await response.drop();
  return isDone(response);
}

/**
 * Deletes one tag; other tags of the same manifest, and the manifest, stay.
 *
 * Registries differ in what a DELETE of a tag does: some take the tag, some take its manifest with
 * all siblings (github.com/google/go-containerregistry/issues/999), docker-registry 2.8 refuses
 * it. So the tag is first moved to a throw-away copy of its manifest, which has no siblings; then
 * tag and copy are deleted. If that fails the tag is put back.
 *
 * @throws SlipwayError `NOT_FOUND`, `UNSUPPORTED` where the registry deletes nothing (the tag was
 * not touched, or put back), `CONDITION_FAILED` if the tag moves meanwhile
 */
export async function removeTag(
  context: RepositoryContext,
  tag: string,
  { signal }: Signalled = {},
): Promise<void> {
  const current = await resolveManifest(context, tag, { signal });
  await checkDeletes(context, signal);
  const original = await readManifest(
    { fetch: (descriptor, options) => fetchManifest(context, descriptor, options) },
    current,
    { signal },
  );
  const copy = throwAway(original.document.json);
  const descriptor = describe(copy, original.document.mediaType);
  const open = (offset: number) => fromMemory(copy, offset);
  const putBack = (error: unknown) =>
    restore(context, tag, original.descriptor, original.bytes, descriptor.digest, error);
  try {
    await putManifest(context, descriptor, tag, open, { signal, expected: current.digest });
    await deleteTag(context, tag, descriptor.digest, signal);
  } catch (error) {
    await putBack(error);
    throw error;
  }
}

async function deleteTag(
  context: RepositoryContext,
  tag: string,
  throwAwayDigest: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const byTag = await sendDelete(context, tag, signal);
  await byTag.drop();
  const byDigest = await sendDelete(context, throwAwayDigest, signal);
  // Without its tag the copy may be gone already, or stay as what nobody sees.
  if (!isDone(byTag) && !isDone(byDigest)) throw await refused(context, byDigest, tag);
  await byDigest.drop();
  const left = await resolveManifest(context, tag, { signal }).catch((error: unknown) => {
    if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
    throw error;
  });
  if (left?.digest !== throwAwayDigest) return;
  throw new SlipwayError(
    'UNSUPPORTED',
    `${context.host.name} says that it deleted the tag ${tag}, and still has it`,
    { ...whereIs(context), side: 'destination', reference: tag },
  );
}

/** A DELETE of what isn't there changes nothing and shows whether any would. */
async function checkDeletes(
  context: RepositoryContext,
  signal: AbortSignal | undefined,
): Promise<void> {
  const nowhere = digestOf(randomBytes(32));
  const response = await sendDelete(context, nowhere, signal);
  const error = isDone(response) ? undefined : await refused(context, response, nowhere);
  await response.drop();
  if (isSlipwayError(error, 'UNSUPPORTED', 'DENIED')) throw error;
}

/** A copy of a manifest with another digest: all that it names is there, so it is accepted. */
function throwAway(json: { readonly [key: string]: unknown }): Uint8Array {
  const { subject: _, annotations, ...rest } = json;
  const mark = { 'dev.slipway.throw-away': randomBytes(16).toString('hex') };
  return encodeDocument({
    ...rest,
    annotations: { ...(isJsonObject(annotations) ? annotations : {}), ...mark },
  });
}

/** Puts the tag back if it still stands for the throw-away copy. The signal may be aborted by now. */
async function restore(
  context: RepositoryContext,
  tag: string,
  { mediaType, digest, size }: Descriptor,
  bytes: Uint8Array,
  from: Digest,
  reason: unknown,
): Promise<void> {
  const signal = AbortSignal.timeout(RESTORE_TIMEOUT_MS);
  try {
    const now = await resolveManifest(context, tag, { signal });
    if (now.digest !== from) return;
    const open = (offset: number) => fromMemory(bytes, offset);
    const expected = { signal, expected: from };
    await putManifest(context, { mediaType, digest, size }, tag, open, expected);
    await removeManifest(context, from, { signal }).catch(() => {});
  } catch (error) {
    if (isSlipwayError(error, 'NOT_FOUND')) return;
    throw new SlipwayError(
      'PARTIAL',
      `the tag ${tag} of ${context.host.name}/${context.repository.path} names a copy of ${digest} and could not be put back`,
      {
        ...whereIs(context),
        side: 'destination',
        digest,
        hint: `slipway copy docker://${context.host.name}/${context.repository.path}@${digest} docker://${context.host.name}/${context.repository.path}:${tag}`,
        cause: reason,
      },
    );
  }
}

const RESTORE_TIMEOUT_MS = 10_000;

async function sendDelete(
  context: RepositoryContext,
  reference: string,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> {
  const { path } = context.repository;
  return await context.host.send({
    method: 'DELETE',
    url: `/v2/${path}/manifests/${reference}`,
    repository: context.repository,
    scopes: [repositoryScope(path, 'pull', 'push', 'delete')],
    doing: 'delete',
    signal,
  });
}

function isDone({ status }: HttpResponse): boolean {
  return status >= 200 && status < 300;
}

async function refused(
  context: RepositoryContext,
  response: HttpResponse,
  reference: string,
): Promise<SlipwayError> {
  const error = await registryError(response, {
    ...whereIs(context),
    side: 'destination',
    reference,
    doing: 'delete',
  });
  if (error.code !== 'UNSUPPORTED') return error;
  return new SlipwayError(
    'UNSUPPORTED',
    `${context.host.name} does not delete: it answered ${response.status}`,
    {
      ...error.facts,
      hint: 'its owner can allow deletes, or the tag can be deleted on its own web pages',
    },
  );
}
