/*
 * drivers/serial, on the second serial port in loopback mode: what is sent comes back, and RTS is
 * CTS. So all of it is tested in any boot, flow control too.
 */
#define SUITE "serial"
#include "serial_tool.h"

#define LOOP (SERIAL_IOC_MCR_DTR | SERIAL_IOC_MCR_RTS | SERIAL_IOC_MCR_LOOP)
#define SIZE 20000 /* several times the ring */

static UCHAR Sent[SIZE], Received[SIZE];
static HANDLE Port;

static BOOLEAN Open(VOID)
{
    if (!KtOpenSerial(&Port))
        return FALSE;
    KtSetModemControl(Port, LOOP);
    for (ULONG n = 0; n < SIZE; n++)
        Sent[n] = (UCHAR)KtRandom(256);
    memset(Received, 0, SIZE);
    return TRUE;
}

static SERIALPERF_STATS Stats(VOID)
{
    SERIALPERF_STATS stats;

    KtPoison(&stats);
    CHECK_EQUAL(KtSerialControl(Port, IOCTL_SERIAL_GET_STATS, NULL, 0, &stats, sizeof(stats)),
                STATUS_SUCCESS);
    return stats;
}

static VOID Write(ULONG Length)
{
    KT_TRANSFER transfer;

    KtBeginWrite(Port, &transfer, Sent, Length);
    CHECK_EQUAL(KtEndTransfer(&transfer), STATUS_SUCCESS);
    CHECK_EQUAL(transfer.Block.Information, Length);
}

/* The same, and it has come back: the UART waits for more before it reports a few characters. */
static VOID WriteAndAwait(ULONG Length)
{
    ULONG wanted = Stats().ReceivedCount + Length;
    ULONG64 start = KtNow();

    Write(Length);
    while (Stats().ReceivedCount < wanted && KtNow() - start < KT_PATIENCE)
        KtStall(MICROSECONDS(50));
    KeFlushQueuedDpcs();
}

/* Reads up to Length; how it ends, and how many came. */
static NTSTATUS Read(ULONG Length, PULONG_PTR Count)
{
    KT_TRANSFER transfer;
    NTSTATUS status;

    KtBeginRead(Port, &transfer, Received, Length);
    status = KtEndTransfer(&transfer);
    *Count = transfer.Block.Information;
    return status;
}

static SERIAL_STATUS Status(VOID)
{
    SERIAL_STATUS status;

    KtPoison(&status);
    CHECK_EQUAL(
        KtSerialControl(Port, IOCTL_SERIAL_GET_COMMSTATUS, NULL, 0, &status, sizeof(status)),
        STATUS_SUCCESS);
    return status;
}

TEST(what_is_written_is_read)
{
    ULONG_PTR count;

    if (!Open())
        return;
    Write(3000);
    CHECK_EQUAL(Read(3000, &count), STATUS_SUCCESS);
    CHECK_EQUAL(count, 3000);
    CHECK(memcmp(Sent, Received, 3000) == 0);
    CHECK_EQUAL(Stats().ReceivedCount, 3000);
    CHECK_EQUAL(Stats().TransmittedCount, 3000);
    CHECK_EQUAL(Status().Errors, 0);
    KtCloseSerial(Port);
}

TEST(one_opener_at_a_time)
{
    HANDLE second;

    if (!Open())
        return;
    CHECK(!NT_SUCCESS(KtTryOpenSerial(&second)));
    CHECK_EQUAL(ZwClose(Port), STATUS_SUCCESS);
    CHECK_EQUAL(KtTryOpenSerial(&Port), STATUS_SUCCESS);
    KtCloseSerial(Port);
}

/* Reads that wait are served in order, each as soon as it can be. */
TEST(reads_wait_in_order)
{
    KT_TRANSFER reads[3];

    if (!Open())
        return;
    for (ULONG n = 0; n < 3; n++)
        CHECK_EQUAL(KtBeginRead(Port, &reads[n], Received + 10 * n, 10), STATUS_PENDING);
    Write(25);
    CHECK_EQUAL(KtEndTransfer(&reads[0]), STATUS_SUCCESS);
    CHECK_EQUAL(KtEndTransfer(&reads[1]), STATUS_SUCCESS);
    CHECK(!KtHasEnded(&reads[2]));
    KtBeginWrite(Port, &reads[0], Sent + 25, 5);
    CHECK_EQUAL(KtEndTransfer(&reads[0]), STATUS_SUCCESS);
    CHECK_EQUAL(KtEndTransfer(&reads[2]), STATUS_SUCCESS);
    CHECK_EQUAL(reads[2].Block.Information, 10);
    CHECK(memcmp(Sent, Received, 30) == 0);
    KtCloseSerial(Port);
}

/* ---- time-outs: each end, in guest time ---- */

static VOID CheckTimed(ULONG Length, NTSTATUS Expected, ULONG Count, ULONG Milliseconds)
{
    ULONG64 start = KtNow();
    ULONG_PTR count;

    CHECK_EQUAL(Read(Length, &count), Expected);
    CHECK_EQUAL(count, Count);
    CHECK_AT_LEAST(KtNow() - start, MILLISECONDS(Milliseconds));
}

TEST(reads_time_out)
{
    if (!Open())
        return;
    KtSetTimeouts(Port, 0, 0, 20);
    CheckTimed(10, STATUS_TIMEOUT, 0, 20);
    WriteAndAwait(4);
    CheckTimed(10, STATUS_SUCCESS, 4, 20);
    KtSetTimeouts(Port, 0, 2, 10); /* 2 ms for each character and 10 more */
    CheckTimed(5, STATUS_TIMEOUT, 0, 20);
    KtSetTimeouts(Port, 15, 0, 0); /* after the first character, none for 15 ms */
    WriteAndAwait(3);
    CheckTimed(10, STATUS_SUCCESS, 3, 15);
    KtSetTimeouts(Port, MAXULONG, 0, 0); /* what is there */
    CheckTimed(10, STATUS_TIMEOUT, 0, 0);
    WriteAndAwait(2);
    CheckTimed(10, STATUS_SUCCESS, 2, 0);
    KtSetTimeouts(Port, MAXULONG, MAXULONG, 20); /* the same, but one at least */
    CheckTimed(10, STATUS_TIMEOUT, 0, 20);
    WriteAndAwait(2);
    CheckTimed(10, STATUS_SUCCESS, 2, 0);
    KtCloseSerial(Port);
}

/* A read of 10 ms is cancelled after 5. FALSE: the host took longer, its time was over first. */
static BOOLEAN CancelRead(VOID)
{
    KT_TRANSFER read;
    IO_STATUS_BLOCK block;
    NTSTATUS status;

    CHECK_EQUAL(KtBeginRead(Port, &read, Received, 10), STATUS_PENDING);
    KtStall(MILLISECONDS(5));
    CHECK_EQUAL(ZwCancelIoFile(Port, &block), STATUS_SUCCESS);
    status = KtEndTransfer(&read);
    CHECK(status == STATUS_CANCELLED || status == STATUS_TIMEOUT);
    return status == STATUS_CANCELLED;
}

/* A read that was cancelled leaves its timer's DPC behind: the next read is not ended by it. */
TEST(a_late_timeout_meets_the_next_read)
{
    ULONG attempts = 20;
    KT_TRANSFER second;
    ULONG64 start;

    if (!Open())
        return;
    KtSetTimeouts(Port, 0, 0, 10);
    while (!CancelRead() && --attempts > 0)
        ;
    CHECK(attempts > 0);
    start = KtNow();
    CHECK_EQUAL(KtBeginRead(Port, &second, Received, 10), STATUS_PENDING);
    CHECK_EQUAL(KtEndTransfer(&second), STATUS_TIMEOUT);
    CHECK_AT_LEAST(KtNow() - start, MILLISECONDS(10));
    KtCloseSerial(Port);
}

/* ---- flow control ---- */

TEST(nothing_is_sent_without_CTS)
{
    KT_TRANSFER write, second;
    IO_STATUS_BLOCK block;
    ULONG_PTR count;

    if (!Open())
        return;
    KtSetHandflow(Port, SERIAL_CTS_HANDSHAKE, SERIAL_RTS_CONTROL);
    CHECK_EQUAL(KtSerialControl(Port, IOCTL_SERIAL_CLR_RTS, NULL, 0, NULL, 0), STATUS_SUCCESS);
    CHECK_EQUAL(KtBeginWrite(Port, &write, Sent, 50), STATUS_PENDING);
    KtStall(MILLISECONDS(3));
    CHECK(!KtHasEnded(&write));
    CHECK_EQUAL(Status().HoldReasons, SERIAL_TX_WAITING_FOR_CTS);
    CHECK_EQUAL(Status().AmountInOutQueue, 50);
    CHECK_EQUAL(KtSerialControl(Port, IOCTL_SERIAL_SET_RTS, NULL, 0, NULL, 0), STATUS_SUCCESS);
    CHECK_EQUAL(KtEndTransfer(&write), STATUS_SUCCESS);
    CHECK_EQUAL(Read(50, &count), STATUS_SUCCESS);

    /* One that is held, and one that waits for it, are cancelled. */
    CHECK_EQUAL(KtSerialControl(Port, IOCTL_SERIAL_CLR_RTS, NULL, 0, NULL, 0), STATUS_SUCCESS);
    CHECK_EQUAL(KtBeginWrite(Port, &write, Sent, 50), STATUS_PENDING);
    CHECK_EQUAL(KtBeginWrite(Port, &second, Sent, 60), STATUS_PENDING);
    CHECK_EQUAL(ZwCancelIoFile(Port, &block), STATUS_SUCCESS);
    CHECK_EQUAL(KtEndTransfer(&write), STATUS_CANCELLED);
    CHECK_EQUAL(KtEndTransfer(&second), STATUS_CANCELLED);
    CHECK_EQUAL(Status().AmountInOutQueue, 0);
    KtCloseSerial(Port);
}

/* The ring fills, RTS is dropped, the transmitter stops; as it empties, all goes on. */
TEST(RTS_follows_the_ring)
{
    KT_TRANSFER write;
    ULONG_PTR total = 0;

    if (!Open())
        return;
    KtSetHandflow(Port, SERIAL_CTS_HANDSHAKE, SERIAL_RTS_HANDSHAKE);
    CHECK_EQUAL(KtBeginWrite(Port, &write, Sent, SIZE), STATUS_PENDING);
    KtStall(MILLISECONDS(20));
    CHECK(!KtHasEnded(&write));
    CHECK_EQUAL(Status().HoldReasons, SERIAL_TX_WAITING_FOR_CTS);
    CHECK_AT_LEAST(Status().AmountInInQueue, 4096 - 1024); /* down to XoffLimit */
    while (total < SIZE) {
        KT_TRANSFER read;

        KtBeginRead(Port, &read, Received + total, SIZE / 10);
        if (!CHECK_EQUAL(KtEndTransfer(&read), STATUS_SUCCESS))
            break;
        total += read.Block.Information;
    }
    CHECK_EQUAL(KtEndTransfer(&write), STATUS_SUCCESS);
    CHECK_EQUAL(total, SIZE);
    CHECK(memcmp(Sent, Received, SIZE) == 0);
    CHECK_EQUAL(Stats().SerialOverrunErrorCount, 0);
    KtCloseSerial(Port);
}

/* Without flow control what does not fit is lost, and counted. */
TEST(overruns_are_counted)
{
    ULONG_PTR count;

    if (!Open())
        return;
    Write(SIZE);
    CHECK(Stats().SerialOverrunErrorCount > 0);
    CHECK(Status().Errors & SERIAL_ERROR_OVERRUN);
    CHECK_EQUAL(Status().Errors, 0); /* they have been told */
    CHECK_EQUAL(Read(4096, &count), STATUS_SUCCESS);
    CHECK(memcmp(Sent, Received, 4096) == 0); /* what was there first is kept */
    KtCloseSerial(Port);
}

/* ---- cancellation and close ---- */

TEST(a_cancelled_read_keeps_what_it_has)
{
    KT_TRANSFER first, second;
    IO_STATUS_BLOCK block;

    if (!Open())
        return;
    CHECK_EQUAL(KtBeginRead(Port, &first, Received, 100), STATUS_PENDING);
    CHECK_EQUAL(KtBeginRead(Port, &second, Received + 100, 100), STATUS_PENDING);
    WriteAndAwait(7);
    CHECK_EQUAL(ZwCancelIoFile(Port, &block), STATUS_SUCCESS);
    CHECK_EQUAL(KtEndTransfer(&first), STATUS_CANCELLED);
    CHECK_EQUAL(KtEndTransfer(&second), STATUS_CANCELLED);
    CHECK_EQUAL(first.Block.Information, 7);
    CHECK_EQUAL(second.Block.Information, 0);
    KtCloseSerial(Port);
}

TEST(closing_ends_what_is_under_way)
{
    KT_TRANSFER read, writes[2];

    if (!Open())
        return;
    KtSetHandflow(Port, SERIAL_CTS_HANDSHAKE, 0); /* RTS off: nothing is sent */
    CHECK_EQUAL(KtBeginRead(Port, &read, Received, 10), STATUS_PENDING);
    CHECK_EQUAL(KtBeginWrite(Port, &writes[0], Sent, 10), STATUS_PENDING);
    CHECK_EQUAL(KtBeginWrite(Port, &writes[1], Sent, 10), STATUS_PENDING);
    CHECK_EQUAL(ZwClose(Port), STATUS_SUCCESS);
    CHECK_EQUAL(KtEndTransfer(&read), STATUS_CANCELLED);
    CHECK_EQUAL(KtEndTransfer(&writes[0]), STATUS_CANCELLED);
    CHECK_EQUAL(KtEndTransfer(&writes[1]), STATUS_CANCELLED);
    CHECK_EQUAL(KtTryOpenSerial(&Port), STATUS_SUCCESS); /* as new */
    KtSetModemControl(Port, LOOP);
    Write(10);
    KtCloseSerial(Port);
}

/* ---- settings ---- */

static NTSTATUS SetBaudRate(ULONG Rate)
{
    return KtSerialControl(Port, IOCTL_SERIAL_SET_BAUD_RATE, &Rate, sizeof(Rate), NULL, 0);
}

TEST(settings_are_checked_and_kept)
{
    SERIAL_LINE_CONTROL line = {STOP_BITS_2, EVEN_PARITY, 7}, bad = {STOP_BIT_1, NO_PARITY, 9};
    SERIAL_TIMEOUTS timeouts = {0, 0, 0, 0, 5};
    ULONG rate = 0, what = SERIAL_PURGE_TXABORT;

    if (!Open())
        return;
    CHECK_EQUAL(SetBaudRate(9600), STATUS_SUCCESS);
    CHECK_EQUAL(SetBaudRate(0), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(SetBaudRate(100000), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(KtSerialControl(Port, IOCTL_SERIAL_GET_BAUD_RATE, NULL, 0, &rate, sizeof(rate)),
                STATUS_SUCCESS);
    CHECK_EQUAL(rate, 9600);
    CHECK_EQUAL(KtSerialControl(Port, IOCTL_SERIAL_GET_BAUD_RATE, NULL, 0, &rate, 2),
                STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(KtSerialControl(Port, IOCTL_SERIAL_SET_LINE_CONTROL, &line, sizeof(line), NULL, 0),
                STATUS_SUCCESS);
    CHECK_EQUAL(KtSerialControl(Port, IOCTL_SERIAL_SET_LINE_CONTROL, &bad, sizeof(bad), NULL, 0),
                STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(KtSerialControl(Port, IOCTL_SERIAL_SET_LINE_CONTROL, &bad, 2, NULL, 0),
                STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(KtSerialControl(Port, IOCTL_SERIAL_GET_LINE_CONTROL, NULL, 0, &bad, sizeof(bad)),
                STATUS_SUCCESS);
    CHECK_EQUAL(bad.WordLength, 7);
    CHECK_EQUAL(
        KtSerialControl(Port, IOCTL_SERIAL_SET_TIMEOUTS, &timeouts, sizeof(timeouts), NULL, 0),
        STATUS_NOT_SUPPORTED); /* of writes */
    CHECK_EQUAL(KtSerialControl(Port, IOCTL_SERIAL_PURGE, &what, sizeof(what), NULL, 0),
                STATUS_NOT_SUPPORTED);
    what = SERIAL_PURGE_RXCLEAR;
    KtSetModemControl(Port, LOOP);
    WriteAndAwait(5);
    CHECK_EQUAL(KtSerialControl(Port, IOCTL_SERIAL_PURGE, &what, sizeof(what), NULL, 0),
                STATUS_SUCCESS);
    CHECK_EQUAL(Status().AmountInInQueue, 0);
    CHECK_EQUAL(KtSerialControl(Port, SERIAL_CODE(77), NULL, 0, NULL, 0),
                STATUS_INVALID_DEVICE_REQUEST);
    KtCloseSerial(Port);
}
