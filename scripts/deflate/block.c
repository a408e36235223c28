/*
 * One block of a deflate stream (RFC 1951), for a stream that is made of many blocks at once.
 * Nothing but libdeflate is needed, and the module imports nothing, it is only arithmetic.
 */
#define FREESTANDING
#include "lib/utils.c"
#include "lib/deflate_compress.c"

#define EXPORT(name) __attribute__((export_name(name)))

#define BLOCK_BYTES (1024 * 1024)
#define WINDOW_BYTES MATCHFINDER_WINDOW_SIZE
#define STORED_BYTES 65535
#define SAMPLES 8
#define SAMPLE_BYTES (8 * 1024)
/* More than the bound of libdeflate and than the stored form of a block need. */
#define SPARE_BYTES (16 * 1024)

/* Level 1 may read that many bytes behind the block, whatever they are. */
#define READ_BYTES 8

/* What came before the block (up to 32 KiB of it), and right behind it the block. */
static u8 input[WINDOW_BYTES + BLOCK_BYTES + READ_BYTES];
static u8 output[BLOCK_BYTES + SPARE_BYTES];

#define COMPRESSOR_BYTES (sizeof(struct libdeflate_compressor) + MATCHFINDER_MEM_ALIGNMENT + 16)
static u8 memory[2][COMPRESSOR_BYTES] __attribute__((aligned(16)));
static unsigned used;

static void *take(size_t n)
{
	return n <= COMPRESSOR_BYTES ? memory[used] : NULL;
}

static void leave(void *p)
{
}

static struct libdeflate_compressor *compressor(int level, unsigned at)
{
	const struct libdeflate_options options = {
		.sizeof_options = sizeof(options),
		.malloc_func = take,
		.free_func = leave,
	};

	used = at;
	return libdeflate_alloc_compressor_ex(level, &options);
}

static struct libdeflate_compressor *chosen, *fastest;

EXPORT("input") u8 *input_address(void)
{
	return input;
}

EXPORT("output") u8 *output_address(void)
{
	return output;
}

/* Samples of what is compressed or encrypted already come out no smaller. */
static bool looks_compressible(const u8 *block, size_t n)
{
	size_t step, i;

	if (n < 2 * SAMPLES * SAMPLE_BYTES)
		return true;
	step = (n - SAMPLE_BYTES) / (SAMPLES - 1);
	for (i = 0; i < SAMPLES; i++) {
		size_t made;

		fastest->dictionary_nbytes = 0;
		fastest->is_continued = false;
		made = libdeflate_deflate_compress(fastest, block + i * step,
						   SAMPLE_BYTES, output,
						   sizeof(output));
		if (made < SAMPLE_BYTES / 50 * 49)
			return true;
	}
	return false;
}

/* The stored form (RFC 1951, 3.2.4). It starts on a byte, where every block of ours ends. */
static size_t stored(const u8 *block, size_t n, bool last)
{
	u8 *out = output;

	do {
		size_t part = n < STORED_BYTES ? n : STORED_BYTES;

		n -= part;
		*out++ = last && n == 0;
		put_unaligned_le16(part, out);
		put_unaligned_le16(~part, out + 2);
		__builtin_memcpy(out + 4, block, part);
		out += 4 + part;
		block += part;
	} while (n > 0);
	return out - output;
}

/*
 * Compresses the n bytes that stand behind dictionary_nbytes others in the input. Returns how many
 * bytes of the output are the block: it ends on a byte, and with the stream if it is the last one.
 * Returns 0 for what can't be.
 */
EXPORT("block") size_t block(int level, size_t dictionary_nbytes, size_t n, int last)
{
	if (level < 1 || level > 9 || n > BLOCK_BYTES || dictionary_nbytes > WINDOW_BYTES)
		return 0;
	if (fastest == NULL)
		fastest = compressor(1, 1);
	if (chosen == NULL || chosen->compression_level != (unsigned)level)
		chosen = level == 1 ? fastest : compressor(level, 0);
	if (n == 0 || !looks_compressible(input + dictionary_nbytes, n))
		return stored(input + dictionary_nbytes, n, last);
	chosen->dictionary_nbytes = dictionary_nbytes;
	chosen->is_continued = !last;
	/* Room for the empty block at the end, which libdeflate doesn't count. */
	return libdeflate_deflate_compress(chosen, input, dictionary_nbytes + n,
					   output, sizeof(output) - 8);
}
