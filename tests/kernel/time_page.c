/* The time page that drivers read without a call, read on several processors while it changes. */
#define SUITE "time.page"
#include "suite.h"

#define READS 20000

static const volatile KUSER_SHARED_DATA *Page(VOID)
{
    return (const volatile KUSER_SHARED_DATA *)KI_USER_SHARED_DATA;
}

/* One 8-byte load; the system time's is not aligned. */
static ULONG64 LoadAt(ULONG Offset)
{
    ULONG64 value;

    __asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(KI_USER_SHARED_DATA + Offset) : "memory");
    return value;
}

static ULONG64 ReadByHighs(const volatile KSYSTEM_TIME *Time)
{
    LONG high;
    ULONG low;

    do {
        high = Time->High1Time;
        low = Time->LowPart;
    } while (high != Time->High2Time);
    return (ULONG64)(ULONG)high << 32 | low;
}

TEST(time_page_offsets)
{
    ULONGLONG interruptTime, loaded[3];
    LARGE_INTEGER systemTime, ticks;
    ULONG tries = 0;

    do { /* all of it within one tick, sooner or later */
        KeQueryTickCount(&ticks);
        interruptTime = KeQueryInterruptTime();
        KeQuerySystemTime(&systemTime);
        loaded[0] = LoadAt(0x8);
        loaded[1] = LoadAt(0x14);
        loaded[2] = LoadAt(0x320);
    } while ((loaded[0] != interruptTime || loaded[1] != (ULONGLONG)systemTime.QuadPart ||
              loaded[2] != (ULONGLONG)ticks.QuadPart) &&
             ++tries < 100000);
    CHECK_EQUAL(loaded[0], interruptTime);
    CHECK_EQUAL(loaded[1], systemTime.QuadPart);
    CHECK_EQUAL(loaded[2], ticks.QuadPart);
    CHECK_AT_LEAST(*(const volatile ULONG *)(KI_USER_SHARED_DATA + 0x26C), 1);
}

static volatile LONG TicksSeen;

/* Reads all three in every way while others do, and never sees a time that goes back or jumps. */
PARALLEL_ROUTINE(ReadThePage)
{
    ULONG64 last[3] = {0, 0, 0};

    for (ULONG i = 0; i < READS; i++) {
        ULONG64 now[3] = {LoadAt(0x8), LoadAt(0x14), LoadAt(0x320)};

        if (i % 2) {
            now[0] = ReadByHighs(&Page()->InterruptTime);
            now[1] = ReadByHighs(&Page()->SystemTime);
            now[2] = ReadByHighs(&Page()->TickCount);
        }
        for (ULONG j = 0; j < 3; j++) {
            CHECK_AT_LEAST(now[j], last[j]);
            if (last[j] && now[j] - last[j] > (j == 2 ? 6000 : SECONDS(60)))
                CHECK(!"the time has jumped");
        }
        if (now[2] != last[2])
            InterlockedIncrement(&TicksSeen);
        memcpy(last, now, sizeof(last));
    }
}

TEST(time_page_on_all_processors)
{
    ULONG64 start = KtNow();

    TicksSeen = 0;
    do
        KtRunOnAll(ReadThePage, NULL);
    while (KtNow() - start < 10 * (ULONG64)KeQueryTimeIncrement());
    CHECK_AT_LEAST(TicksSeen, 5); /* it did change meanwhile */
}

/* The times on the page belong together at every level, also where no tick can come in. */
TEST(time_page_after_idle)
{
    for (ULONG i = 0; i < 10; i++) {
        ULONG64 exact, page;

        KiSleep(MILLISECONDS(35)); /* nobody ticks; the timer's interrupt brings it up to date */
        page = LoadAt(0x8);
        exact = KtNow();
        CHECK_AT_LEAST(exact, page);
        if (KtIsExact())
            CHECK(exact - page <= (ULONG64)KeQueryTimeIncrement());
    }
    CHECK_EQUAL(LoadAt(0x8) % KeQueryTimeIncrement(), 0);
}

static volatile ULONG64 PageInDpc, ExactInDpc;
static volatile LONG DpcRuns;

DPC_ROUTINE(ReadInDpc)
{
    PageInDpc = LoadAt(0x8);
    ExactInDpc = KtNow();
    InterlockedIncrement(&DpcRuns);
}

/* A processor that was asleep sees a page of this tick in the very first routine. */
TEST_ON(2, time_page_in_a_woken_processor)
{
    KDPC dpc;

    KtPoison(&dpc);
    KeInitializeDpc(&dpc, ReadInDpc, NULL);
    KeSetTargetProcessorDpc(&dpc, 1);
    KeSetImportanceDpc(&dpc, HighImportance);
    DpcRuns = 0;
    for (LONG i = 1; i <= 10; i++) {
        ULONG64 before;

        KiSleep(MILLISECONDS(25));
        before = KtNow();
        CHECK(KeInsertQueueDpc(&dpc, NULL, NULL));
        CHECK(KtSpinUntil(&DpcRuns, i));
        CHECK_AT_LEAST(ExactInDpc, PageInDpc);
        CHECK_AT_LEAST(PageInDpc + KeQueryTimeIncrement(), before);
    }
    KeFlushQueuedDpcs();
}
