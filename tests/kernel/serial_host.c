/*
 * The second serial port connected to a program on the host (tests/serial_host.py): a megabyte in
 * each direction at once, compared byte by byte on both sides. Each side stops reading now and
 * then, so that the other has to wait. Runs with the option `serialhost` only.
 */
#define SUITE "serialhost"
#include "serial_tool.h"

#define TOTAL       1048576u
#define CHUNK       8192u
#define MARK_LENGTH 11u
#define PAUSE       (TOTAL / 8) /* after so many bytes the reader sleeps */

/* The sequence that a side sends: both sides know it from its seed. */
typedef struct _SEQUENCE {
    ULONG State;
} SEQUENCE;

static UCHAR Next(SEQUENCE *Sequence)
{
    Sequence->State = Sequence->State * 1664525u + 1013904223u;
    return (UCHAR)(Sequence->State >> 24);
}

static UCHAR Outgoing[CHUNK], Incoming[CHUNK];
static HANDLE Port;

static VOID WriteAll(PVOID Context)
{
    SEQUENCE sequence = {1};

    UNREFERENCED_PARAMETER(Context);
    for (ULONG done = 0; done < TOTAL; done += CHUNK) {
        KT_TRANSFER transfer;

        for (ULONG n = 0; n < CHUNK; n++)
            Outgoing[n] = Next(&sequence);
        KtBeginWrite(Port, &transfer, Outgoing, CHUNK);
        if (!CHECK_EQUAL(KtEndTransfer(&transfer), STATUS_SUCCESS))
            break;
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* The host sends nothing before it has seen this. */
static VOID WriteMark(VOID)
{
    static UCHAR mark[MARK_LENGTH] = {'<', 'M', 'E', 'T', 'R', 'O', 'N', 'O', 'M', 'E', '>'};
    KT_TRANSFER transfer;

    KtBeginWrite(Port, &transfer, mark, sizeof(mark));
    CHECK_EQUAL(KtEndTransfer(&transfer), STATUS_SUCCESS);
}

/* Returns how many bytes have come and were right. */
static ULONG ReadAll(VOID)
{
    SEQUENCE sequence = {2};
    ULONG done = 0, pauses = 0;

    while (done < TOTAL) {
        KT_TRANSFER transfer;

        KtBeginRead(Port, &transfer, Incoming, TOTAL - done < CHUNK ? TOTAL - done : CHUNK);
        if (!CHECK_EQUAL(KtEndTransfer(&transfer), STATUS_SUCCESS))
            return done;
        for (ULONG n = 0; n < transfer.Block.Information; n++, done++) {
            if (!CHECK_EQUAL(Incoming[n], Next(&sequence)))
                return done;
        }
        if (done / PAUSE > pauses) {
            pauses = done / PAUSE;
            KiSleep(MILLISECONDS(100));
        }
    }
    return done;
}

TEST(a_megabyte_both_ways)
{
    SERIALPERF_STATS stats;
    HANDLE thread;
    ULONG64 start = KtNow();

    if (!KiGetOption("serialhost")) {
        KtSkip("nobody is at the other end; tests/serial_host.py runs this");
        return;
    }
    if (!KtOpenSerial(&Port))
        return;
    KtSetHandflow(Port, SERIAL_CTS_HANDSHAKE, SERIAL_RTS_HANDSHAKE);
    KtSetTimeouts(Port, 0, 0, 20000);
    WriteMark();
    CHECK_EQUAL(PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, WriteAll, NULL),
                STATUS_SUCCESS);
    CHECK_EQUAL(ReadAll(), TOTAL);
    CHECK_EQUAL(ZwWaitForSingleObject(thread, FALSE, NULL), STATUS_SUCCESS);
    ZwClose(thread);
    CHECK_EQUAL(KtSerialControl(Port, IOCTL_SERIAL_GET_STATS, NULL, 0, &stats, sizeof(stats)),
                STATUS_SUCCESS);
    CHECK_EQUAL(stats.ReceivedCount, TOTAL);
    CHECK_EQUAL(stats.TransmittedCount, TOTAL + MARK_LENGTH);
    CHECK_EQUAL(stats.SerialOverrunErrorCount, 0);
    DbgPrint("serialhost: %u bytes each way in %I64u ms of guest time\n", TOTAL,
             (KtNow() - start) / MILLISECONDS(1));
    KtCloseSerial(Port);
}
