/* Driver files made images and taken back. Needs the drivers of tests/sys (--driver). */
#define SUITE "ldr.image"
#include "suite.h"
#include "testdriver.h"
#include "kd.h"
#include "ldr.h"

/* The file of a driver, or NULL after the test has been skipped. */
static PLDR_FILE FileOf(PCSTR Name)
{
    PLDR_FILE file = LdrFindFile(Name);

    if (!file)
        KtSkip("the boot has no driver files");
    return file;
}

static SIZE_T FreePages(VOID)
{
    MM_INFORMATION information;

    MmQueryInformation(&information);
    return information.FreePages;
}

static PUCHAR SectionOf(PLDR_FILE File, PCSTR Name)
{
    for (ULONG i = 0; i < File->Image.SectionCount; i++)
        if (strcmp(File->Image.Sections[i].Name, Name) == 0)
            return (PUCHAR)File->Base + File->Image.Sections[i].Rva;
    CHECK(!Name);
    return NULL;
}

TEST(sections_have_their_rights_and_no_more)
{
    PLDR_FILE file = FileOf("timerdpc");
    PUCHAR text, constants, data;

    if (!file)
        return;
    CHECK_EQUAL(LdrLoadFile(file), STATUS_SUCCESS);
    text = SectionOf(file, ".text");
    constants = SectionOf(file, ".rdata");
    data = SectionOf(file, ".bss");
    CHECK(file->Image.Relocations.Size != 0);
    CHECK_EQUAL(data[0], 0);
    data[0] = 0xC3;
    EXPECT_BUGCHECK(0x50, text, 2, ANY, ANY)
    {
        KtWriteByte(text, 0);
    }
    EXPECT_BUGCHECK(0x50, constants, 2, ANY, ANY)
    {
        KtWriteByte(constants, 0);
    }
    EXPECT_BUGCHECK(0x50, data, ANY, ANY, ANY)
    {
        KtJumpTo(data);
    }
    EXPECT_BUGCHECK(0x50, file->Memory, ANY, ANY, ANY) /* the same pages in the direct map */
    {
        KtJumpTo(file->Memory);
    }
    EXPECT_BUGCHECK(0x50, (PUCHAR)file->Base - 1, 0, ANY, ANY)
    {
        KtReadByte((PUCHAR)file->Base - 1);
    }
    EXPECT_BUGCHECK(0x50, (PUCHAR)file->Base + file->Image.Size, 0, ANY, ANY)
    {
        KtReadByte((PUCHAR)file->Base + file->Image.Size);
    }
    LdrReleaseImage(&file->Driver);
}

PARALLEL_ROUTINE(ReadByte)
{
    volatile UCHAR *byte = Context;

    (VOID) * byte;
}

/* Every processor has used the translation; after the unload none of them has it any more. */
TEST(no_processor_reaches_an_unloaded_image)
{
    PLDR_FILE file = FileOf("timerdpc");
    PUCHAR base, text;

    if (!file)
        return;
    CHECK_EQUAL(LdrLoadFile(file), STATUS_SUCCESS);
    base = file->Base;
    text = SectionOf(file, ".text");
    KtRunOnAll(ReadByte, text);
    LdrReleaseImage(&file->Driver);
    CHECK_EQUAL(file->Base, NULL);
    CHECK_EQUAL(LdrFindByAddress(text), NULL);
    CHECK(!ArchIsAddressMapped(text));
    CHECK(!ArchIsAddressMapped(base));
    for (ULONG i = 0; i < KtProcessors(); i++) {
        KAFFINITY old = KeSetSystemAffinityThreadEx(1ULL << i);

        EXPECT_BUGCHECK(0xCE, text, 0, KtReadByte, 0)
        {
            KtReadByte(text);
        }
        KeRevertToUserAffinityThreadEx(old);
    }
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xD4, text, DISPATCH_LEVEL, 1, KtWriteByte)
        {
            KtWriteByte(text, 0);
        }
        EXPECT_BUGCHECK(0xD4, text, DISPATCH_LEVEL, 0, text)
        {
            KtJumpTo(text);
        }
    }
    CHECK_EQUAL(LdrLoadFile(file), STATUS_SUCCESS);
    CHECK((PUCHAR)file->Base != base); /* nobody gets these addresses again */
    LdrReleaseImage(&file->Driver);
}

TEST(driver_object_describes_the_image)
{
    PLDR_FILE file = FileOf("timerdpc");
    const DRIVER_IMAGE *image;

    if (!file)
        return;
    CHECK_EQUAL(IopLoadDriver("timerdpc"), STATUS_SUCCESS);
    image = IopFindDriverByAddress((PUCHAR)file->Base + file->Image.Entry);
    CHECK_EQUAL(image, &file->Driver);
    CHECK_EQUAL(image->TextStart, file->Base);
    CHECK_EQUAL((PUCHAR)image->TextEnd - (PUCHAR)image->TextStart, file->Image.Size);
    CHECK_EQUAL(IopLoadDriver("timerdpc"), STATUS_IMAGE_ALREADY_LOADED);
    CHECK(file->Base != NULL);
    CHECK_EQUAL(IopUnloadDriver("timerdpc"), STATUS_SUCCESS);
    CHECK_EQUAL(IopFindDriverByAddress(image->TextStart), NULL);
    CHECK_EQUAL(IopUnloadDriver("timerdpc"), STATUS_OBJECT_NAME_NOT_FOUND);
}

static BOOLEAN IsNamed(const VOID *Address, PCSTR Name)
{
    CHAR buffer[64];

    return KdNameAddress(buffer, sizeof(buffer), Address) && strcmp(buffer, Name) == 0;
}

TEST(addresses_have_the_names_of_the_files_symbols)
{
    PLDR_FILE file = FileOf("timerdpc");
    PUCHAR entry;

    if (!file)
        return;
    CHECK_EQUAL(LdrLoadFile(file), STATUS_SUCCESS);
    entry = (PUCHAR)file->Base + file->Image.Entry;
    CHECK(IsNamed(entry, "timerdpc!DriverEntry"));
    CHECK(IsNamed(entry + 5, "timerdpc!DriverEntry+0x5"));
    CHECK(IsNamed((PUCHAR)file->Base + 0x10, "timerdpc+0x10")); /* no function begins before */
    LdrReleaseImage(&file->Driver);
    CHECK(IsNamed(entry, "timerdpc (unloaded)!DriverEntry"));
}

/* Whatever is wrong with a file, memory is as before, to the page. */
TEST(refused_files_leave_nothing)
{
    static const struct {
        PCSTR Name;
        NTSTATUS Status;
        PCSTR Part; /* of the sentence; NULL: the driver itself fails */
    } bad[] = {
        {"cut", STATUS_INVALID_IMAGE_FORMAT, "is cut off"},
        {"damaged", STATUS_IMAGE_CHECKSUM_MISMATCH, "is damaged"},
        {"x86", STATUS_INVALID_IMAGE_WIN_32, "32-bit x86"},
        {"text", STATUS_INVALID_IMAGE_FORMAT, "MZ"},
        {"missing", STATUS_DRIVER_ENTRYPOINT_NOT_FOUND, "imports ZwLoadDriver from ntoskrnl.exe"},
    };

    for (ULONG i = 0; i < ARRAYSIZE(bad); i++) {
        SIZE_T pages = FreePages();

        if (!FileOf(bad[i].Name))
            return;
        CHECK_EQUAL(IopLoadDriver(bad[i].Name), bad[i].Status);
        CHECK(strstr(IopWhyNotLoaded(bad[i].Name), bad[i].Part) != NULL);
        CHECK_EQUAL(IopLoadDriver(bad[i].Name), bad[i].Status);
        CHECK_EQUAL(FreePages(), pages);
        CHECK_EQUAL(LdrFindFile(bad[i].Name)->InUse, 0);
    }
}

/* DriverEntry fails, or memory ends: only page tables may stay, which serve all images. */
TEST(failed_loads_leave_nothing)
{
    SIZE_T blocks, bytes, blocksAfter, bytesAfter, pages;

    if (!FileOf("failing"))
        return;
    CHECK_EQUAL(IopLoadDriver("failing"), STATUS_NO_SUCH_DEVICE);
    ExQueryPoolTag(0, &blocks, &bytes);
    pages = FreePages();
    for (ULONG i = 0; i < 10; i++)
        CHECK_EQUAL(IopLoadDriver("failing"), STATUS_NO_SUCH_DEVICE);
    CHECK(IopWhyNotLoaded("failing") == NULL);
    ExQueryPoolTag(0, &blocksAfter, &bytesAfter);
    CHECK_EQUAL(blocksAfter, blocks);
    CHECK_EQUAL(bytesAfter, bytes);
    CHECK_AT_LEAST(FreePages() + 10 * LdrFindFile("failing")->Image.Size / 0x200000 + 2, pages);
    CHECK_EQUAL(LdrFindFile("failing")->Base, NULL);
}

/* AddDevice is called with a device below it, and IoTimer reaches the driver. */
TEST(T_DRIVER_3_driver_from_a_file)
{
    if (!FileOf("systimer"))
        return;
    for (ULONG i = 0; i < 3; i++) {
        CHECK_EQUAL(IopLoadDriver("systimer"), STATUS_SUCCESS);
        CHECK_EQUAL(IopUnloadDriver("systimer"), STATUS_SUCCESS);
    }
}
