package vfio.iavf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.time.Duration;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class MailboxTest {
    private static final Duration PATIENCE = Duration.ofMillis(50);

    private final GuestMemory memory = GuestMemory.allocate("test", 0x17_0000_0000L, 1 << 20);
    private final FakeRegisters registers = new FakeRegisters();
    private final FakePhysicalFunction pf = new FakePhysicalFunction(registers, memory);
    private final Mailbox mailbox = new Mailbox(registers, memory, PATIENCE);

    @BeforeEach
    void start() {
        mailbox.start();
    }

    @AfterEach
    void close() {
        memory.close();
    }

    @Test
    void queuesAreSetUpWithAllButOneBufferOffered() {
        assertThat(registers.read(0x6800)).isEqualTo(0x8000_0020);
        assertThat(registers.read(0x8000)).isEqualTo(0x8000_0020);
        assertThat(registers.read(0x7000)).isEqualTo(31);
        assertThat(registers.read(0x7800)).isEqualTo(0x17);
        assertThat(registers.read(0x6000)).isEqualTo(0x17);
    }

    @Test
    void requestHasItsReplyForEver() {
        for (int number = 0; number < 200; number++) {
            byte[] payload = new byte[number * 4];
            pf.answer =
                    request -> pf.reply(request.opcode(), -64, request.payload().array());

            Message reply = mailbox.request(99, ByteBuffer.wrap(payload));

            assertThat(reply.status()).isEqualTo(-64);
            assertThat(reply.payload().remaining()).isEqualTo(payload.length);
        }
        assertThat(pf.received()).hasSize(200);
        assertThat(pf.received().get(0).flags()).as("SI").isEqualTo(0x2000);
        assertThat(pf.received().get(1).flags()).as("SI, BUF, RD").isEqualTo(0x3400);
        assertThat(pf.received().get(199).flags()).as("SI, BUF, RD, LB").isEqualTo(0x3600);
    }

    @Test
    void eventBeforeReplyIsKept() {
        pf.answer = request -> {
            pf.linkEvent();
            pf.reply(request.opcode(), 0, new byte[0]);
        };
        mailbox.demand(8, ByteBuffer.allocate(12));

        Message event = mailbox.pollEvent();

        assertThat(event).isNotNull();
        assertThat(LinkState.of(event.payload(), true)).isEqualTo(new LinkState(true, 40_000));
        assertThat(mailbox.pollEvent()).isNull();
    }

    @Test
    void shutdownIsAnnouncedAndClearsRegisters() {
        mailbox.shutdown();

        assertThat(pf.received().get(0).command()).isEqualTo(0x0003);
        for (int register = 0x6000; register <= 0x8400; register += 0x400) {
            assertThat(registers.read(register)).as("0x%x", register).isZero();
        }
    }

    @Test
    void resetIsNoticedWhileWaiting() {
        pf.answer = request -> registers.set(0x8000, 0);
        assertThatThrownBy(this::request).isInstanceOf(ResetException.class);
    }

    @Test
    void missingReplyIsViolation() {
        pf.answer = request -> {};
        assertViolation("no reply", this::request);
    }

    @Test
    void secondReplyIsViolation() {
        pf.answer = request -> {
            pf.reply(request.opcode(), 0, new byte[0]);
            pf.reply(request.opcode(), 0, new byte[0]);
        };
        request();
        assertViolation("though no request was outstanding", mailbox::service);
    }

    @Test
    void replyToSomethingElseIsViolation() {
        pf.answer = request -> pf.reply(request.opcode() + 1, 0, new byte[0]);
        assertViolation("has opcode 9", this::request);
    }

    @Test
    void replyOfOtherSizeIsViolation() {
        pf.answer = request -> pf.reply(request.opcode(), 0, new byte[4]);
        assertViolation("4 bytes instead of 0", () -> mailbox.demand(8, ByteBuffer.allocate(0)));
    }

    @Test
    void failureIsViolationWhereSuccessIsDue() {
        pf.answer = request -> pf.reply(request.opcode(), -5, new byte[0]);
        assertViolation("status -5", () -> mailbox.demand(8, ByteBuffer.allocate(0)));
    }

    @Test
    void messageThatIsNotDoneIsViolation() {
        pf.takenFlags = 0;
        assertViolation("came back with flags", this::request);
    }

    @Test
    void messageInErrorIsViolation() {
        pf.takenFlags = 7;
        assertViolation("came back with flags", this::request);
    }

    @Test
    void replyWithOtherFlagsIsViolation() {
        for (int flags : new int[] {0x1001, 0x1007, 0x100b, 0x0000, 0x3003}) {
            mailbox.start();
            pf.postedFlags = flags;
            assertViolation("flags are", this::request);
        }
    }

    @Test
    void replyWithOtherCommandIsViolation() {
        pf.postedOpcode = 0x0801;
        assertViolation("0x801 instead of 0x802", this::request);
    }

    @Test
    void replyWithoutOpcodeIsViolation() {
        pf.answer = request -> pf.reply(0, 0, new byte[0]);
        assertViolation("opcode is 0", this::request);
    }

    @Test
    void payloadLongerThanItsLengthIsViolation() {
        pf.answer = request -> {
            pf.postedSize = 10;
            pf.reply(request.opcode(), 0, new byte[12]);
        };
        assertViolation("byte 10 behind a payload of 10 was written", this::request);
    }

    @Test
    void headOutsideTheRingIsViolation() {
        pf.answer = request -> registers.set(0x7400, 32);
        assertViolation("VF_ARQH1 is 0x20", this::request);
    }

    @Test
    void headBeyondWhatWasPostedIsViolation() {
        registers.set(0x6400, 5);
        assertViolation("VF_ATQH1 is 5", this::request);
    }

    private void request() {
        mailbox.request(8, ByteBuffer.allocate(12));
    }

    private static void assertViolation(String what, ThrowingCallable action) {
        assertThatThrownBy(action).isInstanceOf(DeviceViolation.class).hasMessageContaining(what);
    }
}
