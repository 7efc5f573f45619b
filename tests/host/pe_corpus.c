/* sources: tests/fuzz/pe.c kernel/ldr/pe.c kernel/ldr/peimage.c kernel/ldr/pesymbol.c kernel/rtl/format.c kernel/rtl/formatput.c tests/host/support/exports.c tests/host/support/support.c */
/*
 * Every driver file that a fuzzer has found worth keeping (tests/fuzz/pe/), again, as it is and
 * with a few bytes of it changed: the same changes in each run. Runs in the root of the project.
 */
#include "support/support.h"

#include <dirent.h>

#define FOLDER    "tests/fuzz/pe"
#define VARIANTS  40 /* of each file */
#define MOST_HITS 4  /* bytes that are changed at once */

int LLVMFuzzerTestOneInput(const uint8_t *Data, size_t Size);

static UCHAR File[1 << 20], Variant[1 << 20];

static SIZE_T ReadFile(PCSTR Name)
{
    CHAR path[512];
    FILE *stream;
    SIZE_T size;

    snprintf(path, sizeof(path), FOLDER "/%s", Name);
    stream = fopen(path, "rb");
    assert_non_null(stream);
    size = fread(File, 1, sizeof(File), stream);
    assert_true(size < sizeof(File));
    fclose(stream);
    return size;
}

/* Changes that a reader of numbers gets wrong first: the ends of the range, one bit, anything. */
static VOID ChangeByte(PUCHAR Byte)
{
    switch (HostRandomBelow(4)) {
    case 0:
        *Byte = 0;
        break;
    case 1:
        *Byte = 0xFF;
        break;
    case 2:
        *Byte ^= (UCHAR)(1u << HostRandomBelow(8));
        break;
    default:
        *Byte = (UCHAR)HostRandom();
        break;
    }
}

static VOID TryVariants(SIZE_T Size)
{
    for (ULONG i = 0; i < VARIANTS && Size != 0; i++) {
        ULONG64 hits = 1 + HostRandomBelow(MOST_HITS);

        memcpy(Variant, File, Size);
        while (hits-- != 0)
            ChangeByte(&Variant[HostRandomBelow(Size)]);
        LLVMFuzzerTestOneInput(Variant, i % 8 == 7 ? HostRandomBelow(Size + 1) : Size);
    }
}

static void KeptFilesAreTriedAgain(void **State)
{
    DIR *folder = opendir(FOLDER);
    struct dirent *entry;
    ULONG count = 0;

    (void)State;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        SIZE_T size;

        if (entry->d_name[0] == '.')
            continue;
        size = ReadFile(entry->d_name);
        LLVMFuzzerTestOneInput(File, size);
        HostSeed = 1 + size;
        TryVariants(size);
        count++;
    }
    closedir(folder);
    assert_true(count > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(KeptFilesAreTriedAgain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
