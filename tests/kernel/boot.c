/* What the start must have left: processors, memory protection, stacks, clocks. */
#define SUITE "boot"
#include "suite.h"

extern UCHAR KiImageStart[], KiImageEnd[], KiTextStart[], KiTextEnd[], KiRodataStart[],
    KiRodataEnd[], KiDataStart[], KiBssEnd[];

TEST(all_processors_run)
{
    ULONG count = KtProcessors();

    CHECK_AT_LEAST(count, 1);
    for (ULONG i = 0; i < count; i++) {
        PKPRCB prcb = KiProcessorBlock[i];

        CHECK(prcb != NULL);
        CHECK_EQUAL(prcb->Number, i);
        CHECK_EQUAL(prcb->LegacyNumber, i);
        CHECK_EQUAL(prcb->ReservedNumber, 0);
        CHECK(prcb->Started);
    }
    /* option cpus=N: how many the test's runner has given the machine */
    CHECK_EQUAL(KiGetNumberOption("cpus", count), count);
}

/* The fields behind GS that drivers' headers read. */
PARALLEL_ROUTINE(CheckGs)
{
    ULONG64 self, prcb, thread;
    ULONG number, index;

    __asm__ volatile("movq %%gs:0x18, %0" : "=r"(self));
    __asm__ volatile("movq %%gs:0x20, %0" : "=r"(prcb));
    __asm__ volatile("movq %%gs:0x188, %0" : "=r"(thread));
    __asm__ volatile("movzwl %%gs:0x184, %0" : "=r"(number));
    __asm__ volatile("movl %%gs:0x1A4, %0" : "=r"(index));
    CHECK_EQUAL(prcb, self + 0x180);
    CHECK_EQUAL(prcb, KiProcessorBlock[Processor]);
    CHECK_EQUAL(number, Processor);
    CHECK_EQUAL(index, Processor);
    CHECK(thread != 0);
}

TEST(processor_blocks_behind_gs)
{
    KtRunOnAll(CheckGs, NULL);
}

/* ---- memory ---- */

#define ENTRY_PRESENT 0x1ULL
#define ENTRY_WRITE   0x2ULL
#define ENTRY_LARGE   0x80ULL
#define ENTRY_NX      0x8000000000000000ULL
#define ENTRY_ADDRESS 0x000FFFFFFFFFF000ULL
#define CR0_WP        0x10000ULL

typedef struct _WALK {
    ULONG64
    Entry;        /* with the rights of all levels: NX set in one is set, W clear in one is clear */
    ULONG64 Size; /* of what it maps */
} WALK;

/* Walks this processor's page tables. */
static WALK WalkTo(ULONG64 Address)
{
    WALK walk = {ENTRY_PRESENT | ENTRY_WRITE, 1ULL << 48};
    ULONG64 table;

    __asm__ volatile("movq %%cr3, %0" : "=r"(table));
    for (ULONG shift = 39;; shift -= 9) {
        const ULONG64 *entries = ArchPhysicalToVirtual(table & ENTRY_ADDRESS);
        ULONG64 entry = entries[(Address >> shift) & 511];

        walk.Size = 1ULL << shift;
        walk.Entry &= entry | ~(ENTRY_PRESENT | ENTRY_WRITE);
        walk.Entry |= entry & ENTRY_NX;
        if (!(entry & ENTRY_PRESENT) || shift == 12 || (shift < 39 && (entry & ENTRY_LARGE)))
            return walk;
        table = entry;
    }
}

static BOOLEAN IsMapped(ULONG64 Address)
{
    return (WalkTo(Address).Entry & ENTRY_PRESENT) != 0;
}

static VOID CheckRange(const VOID *Start, const VOID *End, BOOLEAN Writable, BOOLEAN Executable)
{
    CHECK(Start < End);
    for (ULONG64 a = (ULONG64)Start; a < (ULONG64)End; a += PAGE_SIZE) {
        WALK walk = WalkTo(a);

        if (Writable && !(walk.Entry & ENTRY_PRESENT))
            continue; /* a guard page between the variables */
        CHECK((walk.Entry & ENTRY_PRESENT) != 0);
        CHECK_EQUAL((walk.Entry & ENTRY_WRITE) != 0, Writable);
        CHECK_EQUAL((walk.Entry & ENTRY_NX) == 0, Executable);
    }
}

TEST(image_is_write_or_execute)
{
    ULONG64 cr0;

    __asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
    CHECK(cr0 & CR0_WP);
    CheckRange(KiTextStart, KiTextEnd, FALSE, TRUE);
    CheckRange(KiRodataStart, KiRodataEnd, FALSE, FALSE);
    CheckRange(KiDataStart, KiBssEnd, TRUE, FALSE);
}

/* Every mapping there is, in the steps of the page tables. */
TEST(nothing_is_writable_and_executable)
{
    ULONG64 address = 0, mappings = 0;

    do {
        WALK walk = WalkTo(address);

        if (walk.Entry & ENTRY_PRESENT) {
            mappings++;
            if ((walk.Entry & ENTRY_WRITE) && !(walk.Entry & ENTRY_NX)) {
                CHECK_EQUAL(address, MAXULONG64); /* shows where */
                break;
            }
        }
        address = (address & ~(walk.Size - 1)) + walk.Size;
        if (address >> 47 == 1) /* the hole in the middle */
            address |= 0xFFFF800000000000ULL;
    } while (address != 0);
    CHECK(mappings > 10);
}

TEST(page_zero_is_unmapped)
{
    CHECK(!IsMapped(0));
    CHECK(!ArchIsAddressMapped(NULL));
    CHECK(!ArchIsAddressMapped((PVOID)(PAGE_SIZE - 1)));
    CHECK(ArchIsAddressMapped(&KiBootPcr));
}

TEST(guard_pages_under_stacks)
{
    for (ULONG i = 0; i < KtProcessors(); i++) {
        const KTHREAD *thread = KiProcessorBlock[i]->CurrentThread;
        ULONG64 limit = (ULONG64)thread->StackLimit;

        CHECK(IsMapped(limit));
        CHECK(IsMapped((ULONG64)thread->StackBase - 1));
        CHECK(!IsMapped(limit - 1));
        CHECK(!IsMapped(limit - PAGE_SIZE));
    }
}

TEST(a_new_stack_has_a_guard_page)
{
    PVOID top = ArchAllocateStack();

    CHECK(top != NULL);
    CHECK(IsMapped((ULONG64)top - 8));
    CHECK(IsMapped((ULONG64)top - KERNEL_STACK_SIZE));
    CHECK(!IsMapped((ULONG64)top - KERNEL_STACK_SIZE - 1));
    CHECK_EQUAL((ULONG_PTR)top % 16, 0);
}

TEST(time_page_is_read_only)
{
    WALK walk = WalkTo(KI_USER_SHARED_DATA);

    CHECK((walk.Entry & ENTRY_PRESENT) != 0);
    CHECK(!(walk.Entry & ENTRY_WRITE));
    CHECK((walk.Entry & ENTRY_NX) != 0);
}

PARALLEL_ROUTINE(CheckControlRegisters)
{
    ULONG64 cr0, cr3;

    __asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
    CHECK(cr0 & CR0_WP);
    CHECK_EQUAL(cr3, *(ULONG64 *)Context); /* one set of page tables */
}

TEST(every_processor_has_the_same_protection)
{
    ULONG64 cr3;

    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
    KtRunOnAll(CheckControlRegisters, &cr3);
}

TEST(clock_is_known)
{
    PCSTR wanted = KiGetOption("clock");

    CHECK(strcmp(ArchClockName(), "apic") == 0 || strcmp(ArchClockName(), "hpet") == 0);
    if (wanted)
        CHECK_EQUAL(strcmp(ArchClockName(), wanted), 0);
    CHECK_AT_LEAST(ArchCounterFrequency, 1000000);
}
