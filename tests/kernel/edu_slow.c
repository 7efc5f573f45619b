/*
 * The driver edu where it takes time: a transfer takes the device 100 ms, and a request is given up
 * after a second. Lost interrupts, time-outs, cancellation, removal.
 */
#define SUITE "stress.edu"
#include "edu_tool.h"

TEST(transfers)
{
    static UCHAR written[EDU_BUFFER_BYTES], read[EDU_BUFFER_BYTES];
    static const struct {
        ULONG Offset, Length;
    } ranges[] = {{0, 4095}, {17, 1000}};

    if (!KtBeginEdu())
        return;
    for (ULONG i = 0; i < ARRAYSIZE(ranges); i++) {
        for (ULONG n = 0; n < ranges[i].Length; n++)
            written[n] = (UCHAR)KtRandom(256);
        memset(read, POISON, sizeof(read));
        CHECK_EQUAL(KtEduTransfer(TRUE, written, ranges[i].Length, ranges[i].Offset),
                    STATUS_SUCCESS);
        CHECK_EQUAL(KtEduTransfer(FALSE, read, ranges[i].Length, ranges[i].Offset), STATUS_SUCCESS);
        CHECK(memcmp(written, read, ranges[i].Length) == 0);
        CHECK_EQUAL(read[ranges[i].Length], POISON);
    }
    KtEndEdu();
}

/* The interrupt does not come: the watchdog finds the work done. */
TEST(lost_interrupts)
{
    EDU_STATISTICS before, after;
    UCHAR buffer[64] = {0};
    ULONG result = 0;

    if (!KtBeginEdu())
        return;
    before = KtEduStatistics();
    KtEduMischief(1, 0);
    CHECK_EQUAL(KtEduFactorial(7, &result), STATUS_SUCCESS);
    CHECK_EQUAL(result, 5040);
    KtEduMischief(1, 0);
    CHECK_EQUAL(KtEduTransfer(TRUE, buffer, sizeof(buffer), 0), STATUS_SUCCESS);
    after = KtEduStatistics();
    CHECK_AT_LEAST(after.Lost, before.Lost + 2);
    CHECK_EQUAL(after.TimeOuts, before.TimeOuts);
    CHECK_EQUAL(KtEduFactorial(5, &result), STATUS_SUCCESS); /* and all goes on */
    CHECK_EQUAL(result, 120);
    KtEndEdu();
}

/* The device works longer than the driver waits: the request is given up, and the next is right. */
TEST(time_out)
{
    EDU_STATISTICS before, after;
    ULONG result = 0;
    NTSTATUS status;

    if (!KtBeginEdu())
        return;
    before = KtEduStatistics();
    status = KtEduFactorial(1500000000, &result);
    after = KtEduStatistics();
    CHECK(status == STATUS_IO_TIMEOUT || (status == STATUS_SUCCESS && result == 0));
    CHECK_EQUAL(after.TimeOuts - before.TimeOuts, status == STATUS_IO_TIMEOUT);
    do
        status = KtEduFactorial(8, &result);
    while (status == STATUS_IO_TIMEOUT); /* the device still works on the first one */
    CHECK_EQUAL(status, STATUS_SUCCESS);
    CHECK_EQUAL(result, 40320);
    KtEndEdu();
}

/* One that waits ends as cancelled; the one that the device copies ends as always. */
TEST(cancelled_transfers)
{
    static UCHAR buffer[64];
    KT_EDU_REQUEST requests[3];

    if (!KtBeginEdu())
        return;
    for (ULONG n = 0; n < 3; n++)
        KtEduSendTransfer(&requests[n], TRUE, buffer, sizeof(buffer), 0);
    CHECK(IoCancelIrp(requests[1].Irp));  /* it waits */
    CHECK(!IoCancelIrp(requests[0].Irp)); /* the device copies */
    KtEduWait(&requests[1]);
    CHECK_EQUAL(requests[1].Block.Status, STATUS_CANCELLED);
    KtEduWait(&requests[0]);
    KtEduWait(&requests[2]);
    CHECK_EQUAL(requests[0].Block.Status, STATUS_SUCCESS);
    CHECK_EQUAL(requests[2].Block.Status, STATUS_SUCCESS);
    for (ULONG n = 0; n < 3; n++) {
        CHECK_EQUAL(requests[n].Completions, 1);
        KtEduFree(&requests[n]);
    }
    KtEndEdu();
}

/* A factorial that takes long, and two behind it. */
TEST(cancelled_factorials)
{
    KT_EDU_REQUEST requests[3];

    if (!KtBeginEdu())
        return;
    KtEduSendFactorial(&requests[0], 300000000);
    KtEduSendFactorial(&requests[1], 9);
    KtEduSendFactorial(&requests[2], 10);
    IoCancelIrp(requests[1].Irp);
    IoCancelIrp(requests[0].Irp);
    for (ULONG n = 0; n < 3; n++)
        KtEduWait(&requests[n]);
    CHECK(requests[0].Block.Status == STATUS_CANCELLED || NT_SUCCESS(requests[0].Block.Status));
    CHECK(requests[1].Block.Status == STATUS_CANCELLED || NT_SUCCESS(requests[1].Block.Status));
    CHECK(requests[2].Block.Status == STATUS_SUCCESS ||
          requests[2].Block.Status == STATUS_IO_TIMEOUT);
    if (NT_SUCCESS(requests[2].Block.Status))
        CHECK_EQUAL(requests[2].Number, 3628800);
    for (ULONG n = 0; n < 3; n++) {
        CHECK_EQUAL(requests[n].Completions, 1);
        KtEduFree(&requests[n]);
    }
    KtEndEdu();
}

/* Requests that wait when the device is taken away end, and later ones are refused. */
TEST(surprise_with_requests)
{
    static UCHAR buffer[64];
    KT_EDU_REQUEST transfers[4], factorials[3];

    if (!KtBeginEdu())
        return;
    for (ULONG n = 0; n < 4; n++)
        KtEduSendTransfer(&transfers[n], TRUE, buffer, sizeof(buffer), 0);
    for (ULONG n = 0; n < 3; n++)
        KtEduSendFactorial(&factorials[n], n == 0 ? 100000000 : n);
    CHECK_EQUAL(IopRemoveDevice(KtEduName(), TRUE), STATUS_SUCCESS);
    for (ULONG n = 0; n < 4; n++) {
        CHECK_EQUAL(transfers[n].Completions, 1);
        KtEduFree(&transfers[n]);
    }
    CHECK_EQUAL(transfers[3].Block.Status, STATUS_DELETE_PENDING);
    for (ULONG n = 0; n < 3; n++) {
        CHECK_EQUAL(factorials[n].Completions, 1);
        KtEduFree(&factorials[n]);
    }
    KtEndEdu();
}
