package vfio.migration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.linux.NativeBuffer;
import vfio.linux.UnixSocket;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.MoveOptions;
import vfio.pci.api.manage.MoveStatus;
import vfio.pci.api.manage.MoveStatus.Phase;
import vfio.pci.api.pci.PciIds;

/** A device goes from one runtime to another, over a wire that may be cut. */
class MoveTest {
    private static final int PAGES = 400;
    private static final byte[] STATE = {1, 2, 3, 4, 5};
    private static final byte[] POWER_ON = {9};

    private final FakeRuntime source = new FakeRuntime(PAGES, STATE);
    private final FakeRuntime target = new FakeRuntime(PAGES, POWER_ON);
    private final Progress arriving = new Progress(Phase.RECEIVING, "source", status -> {});
    private final List<MessageType> messages = new ArrayList<>();
    private Consumer<MoveStatus> listener = status -> {};
    private MoveOptions options = MoveOptions.DEFAULT;
    private @Nullable Outgoing outgoing;

    /** Moves, and returns how that stands at the source. */
    private MoveStatus move(Consumer<MessageType> before) {
        new Random(1).nextBytes(source.memory);
        Progress progress = new Progress(Phase.CONNECTING, "target", status -> listener.accept(status));
        try (Wire wire = new Wire(type -> {
            synchronized (messages) {
                messages.add(type);
            }
            before.accept(type);
        })) {
            Thread there = new Thread(() -> {
                try (Link link = new Link(wire.target)) {
                    new Incoming(link, target.manager(), "source", address -> arriving).run();
                }
            });
            there.start();
            Outgoing here = new Outgoing(source.device(), source.migration.as("an administrator"), options, progress);
            outgoing = here;
            try {
                here.run(new Link(wire.source));
            } catch (VfioException failed) {
                assertThat(progress.status().phase().isOver()).isTrue();
            }
            wire.close();
            there.join();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        return progress.status();
    }

    private MoveStatus move() {
        return move(type -> {});
    }

    @Test
    void devicesStateAndMemoryArrive() {
        MoveStatus status = move();
        assertThat(status.phase()).as(status.note()).isEqualTo(Phase.DONE);
        assertThat(target.state).isEqualTo(STATE);
        assertThat(target.memory).isEqualTo(source.memory);
        assertThat(target.running).isTrue();
        assertThat(arriving.status().phase()).isEqualTo(Phase.ARRIVED);
        assertThat(source.resets).as("nothing of it stays here").hasValue(1);
        assertThat(source.isLogged()).isFalse();
        assertThat(status.memoryBytes()).isEqualTo(PAGES * FakeRuntime.PAGE);
        assertThat(status.stateBytes()).isPositive();
        assertThat(status.downtime()).isPresent();
    }

    @Test
    void whatTheDeviceWritesMeanwhileArrives() {
        Random random = new Random(2);
        AtomicInteger last = new AtomicInteger();
        int stop = move(type -> {
                    if (source.running && type == MessageType.MEMORY && last.incrementAndGet() < 1000) {
                        source.dma(random.nextInt(source.memory.length), random.nextInt());
                    }
                })
                .rounds();
        assertThat(target.memory).isEqualTo(source.memory);
        assertThat(stop).isBetween(1, MoveOptions.DEFAULT.maximumRounds());
    }

    @Test
    void everyRoundIsTold() {
        List<String> told = new ArrayList<>();
        listener = status -> told.add(status.phase() + " " + status.rounds());
        move();
        assertThat(told).containsExactly("COPYING 1", "STOPPED 1", "COMMITTING 1", "DONE 1");
    }

    @Test
    void targetTellsWhatHasCome() {
        List<Long> came = new ArrayList<>();
        move(type -> {
            if (type == MessageType.LOADED) {
                came.add(arriving.status().memoryBytes());
                came.add(arriving.status().stateBytes());
            }
        });
        assertThat(came.get(0)).isEqualTo(PAGES * FakeRuntime.PAGE);
        assertThat(came.get(1)).isPositive();
    }

    /** Whoever never stopped the device did not keep it waiting. */
    @Test
    void deviceThatWasNotStoppedDidNotStandStill() {
        MoveStatus status = move(type -> {
            if (type == MessageType.MEMORY) {
                throw new Wire.Cut(false);
            }
        });
        assertThat(status.phase()).isEqualTo(Phase.FAILED);
        assertThat(status.downtime()).isEmpty();
    }

    /** A device that writes all the time does not keep it from ending. */
    @Test
    void endsAfterTheMostRounds() {
        options = new MoveOptions(Optional.empty(), Duration.ZERO, 7, 0, false);
        listener = status -> {
            if (status.phase() == Phase.COPYING) {
                source.dma(50 * FakeRuntime.PAGE, status.rounds());
            }
        };
        MoveStatus status = move();
        assertThat(status.phase()).isEqualTo(Phase.DONE);
        assertThat(status.rounds()).isEqualTo(7);
        assertThat(target.memory).isEqualTo(source.memory);
    }

    @Test
    void waitsForTheGuestIfAskedTo() {
        options = new MoveOptions(Optional.empty(), Duration.ZERO, 1, 0, true);
        AtomicInteger told = new AtomicInteger();
        AtomicReference<MigrationState> before = new AtomicReference<>();
        MoveStatus status = move(type -> {
            if (type == MessageType.MEMORY && told.incrementAndGet() == 5) {
                before.set(source.migration.state());
                outgoing.switchOver();
            } else if (type == MessageType.MEMORY && source.running) {
                source.dma(0, told.get());
            }
        });
        assertThat(status.phase()).isEqualTo(Phase.DONE);
        assertThat(before.get()).isEqualTo(MigrationState.PRE_COPY);
        assertThat(target.memory).isEqualTo(source.memory);
    }

    /** What a VMM copies to the target after settle is not overwritten by what was read before. */
    @Test
    void nothingOlderComesAfterSettling() throws InterruptedException {
        options = new MoveOptions(Optional.empty(), Duration.ZERO, 1, 0, true);
        CountDownLatch readBefore = new CountDownLatch(1);
        AtomicReference<Thread> machine = new AtomicReference<>();
        MoveStatus status = move(type -> {
            if (type == MessageType.MEMORY && machine.get() == null) {
                machine.set(new Thread(() -> {
                    source.memory[0] = 77;
                    readBefore.countDown();
                    outgoing.settle();
                    target.memory[0] = 77;
                    outgoing.switchOver();
                }));
                machine.get().start();
                joinedCount(readBefore);
                awaitWaiting(machine.get());
            }
        });
        machine.get().join();
        assertThat(status.phase()).isEqualTo(Phase.DONE);
        assertThat(target.memory[0]).isEqualTo((byte) 77);
    }

    @Test
    void memoryGoesNoFasterThanAllowed() {
        options = new MoveOptions(Optional.empty(), Duration.ofSeconds(9), 30, 4L * PAGES * FakeRuntime.PAGE, false);
        long start = System.nanoTime();
        assertThat(move().phase()).isEqualTo(Phase.DONE);
        assertThat(System.nanoTime() - start)
                .as("two messages, a quarter of a second")
                .isGreaterThan(100_000_000);
    }

    @Test
    void memoryThatIsSharedIsNotCopied() {
        try (MappedMemory here = MappedMemory.allocate("source", source.memory.length);
                MappedMemory there = MappedMemory.allocate("target", target.memory.length)) {
            byte[] content = new byte[source.memory.length];
            new Random(3).nextBytes(content);
            here.put(0, ByteBuffer.wrap(content));
            source.shared = here;
            target.shared = there;
            MoveStatus status = move();
            assertThat(status.phase()).as(status.note()).isEqualTo(Phase.DONE);
            there.get(0, ByteBuffer.wrap(target.memory));
            assertThat(target.memory).isEqualTo(content);
            assertThat(source.copies).hasValue(0);
            assertThat(target.copies).hasValue(0);
            assertThat(status.memoryBytes()).isEqualTo(content.length);
        }
    }

    /** In the middle of a message. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void memoryThatIsTakenAwayEndsTheMove(boolean here) {
        try (MappedMemory shared = MappedMemory.allocate("lost", source.memory.length)) {
            (here ? source : target).shared = shared;
            move(type -> {
                if (type == MessageType.MEMORY) {
                    shared.close();
                }
            });
        }
        assertRunsOnHere();
        assertThat(target.resets).hasValue(1);
        assertThat(target.ran).isEmpty();
    }

    /** What was sent of it is of no use then. */
    @Test
    void deviceThatIsResetMeanwhileStays() {
        MoveStatus status = move(type -> {
            if (type == MessageType.LOADED) {
                source.device().reset();
            }
        });
        assertThat(status.phase()).isEqualTo(Phase.FAILED);
        assertThat(status.note()).contains("was reset while it was moved");
        assertThat(source.running).isTrue();
        assertThat(source.migration.state()).isEqualTo(MigrationState.RUNNING);
        assertThat(target.resets).hasValue(1);
        assertThat(target.ran).isEmpty();
    }

    /** Without memory that both have, the device goes alone. */
    @Test
    void memoryThatTheTargetHasNotStaysHere() {
        FakeRuntime smaller = new FakeRuntime(PAGES - 1, POWER_ON);
        Progress progress = new Progress(Phase.CONNECTING, "target", status -> {});
        try (Wire wire = new Wire(type -> {})) {
            Thread there = new Thread(() -> {
                try (Link link = new Link(wire.target)) {
                    new Incoming(link, smaller.manager(), "source", address -> arriving).run();
                }
            });
            there.start();
            new Outgoing(source.device(), source.migration.as("an administrator"), options, progress)
                    .run(new Link(wire.source));
            there.join();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        assertThat(progress.status().memoryBytes()).isZero();
        assertThat(smaller.state).isEqualTo(STATE);
    }

    /** How many messages a move without events takes, in both directions. */
    private static final int MESSAGES = 14;

    static Stream<Integer> everyMessage() {
        return IntStream.rangeClosed(1, MESSAGES).boxed();
    }

    @ParameterizedTest
    @MethodSource("everyMessage")
    void cutBetweenAnyTwoMessagesNeverLeavesTwoRunning(int number) {
        cutNeverLeavesTwoRunning(number, false);
    }

    @ParameterizedTest
    @MethodSource("everyMessage")
    void cutWithinAnyMessageNeverLeavesTwoRunning(int number) {
        cutNeverLeavesTwoRunning(number, true);
    }

    private void cutNeverLeavesTwoRunning(int number, boolean within) {
        AtomicInteger count = new AtomicInteger();
        AtomicReference<MessageType> cut = new AtomicReference<>();
        MoveStatus status = move(type -> {
            if (count.incrementAndGet() == number) {
                cut.set(type);
                throw new Wire.Cut(within);
            }
        });
        boolean targetRuns = !target.ran.isEmpty();
        if (cut.get() == null) {
            assertThat(status.phase()).isEqualTo(Phase.DONE);
            assertThat(number).as("the number of messages that this test knows").isGreaterThan(count.get());
        } else if (cut.get() == MessageType.COMMIT || cut.get() == MessageType.RUNNING) {
            assertThat(status.phase()).isEqualTo(Phase.IN_DOUBT);
            assertThat(source.running).as("stands still here").isFalse();
            assertThat(status.note()).contains("did not answer");
            assertThat(targetRuns).isEqualTo(cut.get() == MessageType.RUNNING);
        } else {
            assertThat(status.phase()).as("cut before " + cut).isEqualTo(Phase.FAILED);
            assertRunsOnHere();
            assertThat(targetRuns).isFalse();
        }
    }

    @Test
    void messagesAreThoseThatTheTestsCut() {
        move();
        assertThat(messages)
                .containsExactly(
                        MessageType.HELLO,
                        MessageType.ACCEPT,
                        MessageType.MEMORY,
                        MessageType.MEMORY,
                        MessageType.ROUND,
                        MessageType.STORED,
                        MessageType.STATE,
                        MessageType.LOAD,
                        MessageType.LOADED,
                        MessageType.COMMIT,
                        MessageType.RUNNING);
    }

    @ParameterizedTest
    @MethodSource("everyMessage")
    void cancelledAtAnyMomentRunsOnHereOrHasGone(int number) {
        AtomicInteger count = new AtomicInteger();
        AtomicReference<Boolean> inTime = new AtomicReference<>(false);
        MoveStatus status = move(type -> {
            if (count.incrementAndGet() == number) {
                inTime.set(outgoing.cancel());
            }
        });
        if (inTime.get()) {
            assertThat(status.phase()).isEqualTo(Phase.CANCELLED);
            assertRunsOnHere();
            assertThat(target.ran).isEmpty();
            assertThat(target.state).isEqualTo(POWER_ON);
        } else {
            assertThat(status.phase()).isEqualTo(Phase.DONE);
            assertThat(target.state).isEqualTo(STATE);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"save", "track"})
    void sourceThatFailsRunsOn(String call) {
        source.broken = call;
        assertThat(move().note()).contains(call + " fails");
        assertRunsOnHere();
        assertThat(target.state).isEqualTo(POWER_ON);
        assertThat(arriving.status().phase()).isEqualTo(Phase.FAILED);
    }

    @ParameterizedTest
    @ValueSource(strings = {"load", "run"})
    void targetThatFailsSendsItBack(String call) {
        target.broken = call;
        MoveStatus status = move();
        assertThat(status.phase()).isEqualTo(Phase.FAILED);
        assertThat(status.note()).contains("the other runtime refused: " + call + " fails");
        assertRunsOnHere();
        assertThat(target.resets).hasValue(1);
        assertThat(target.state).isEqualTo(POWER_ON);
    }

    @Test
    void targetThatIsInUseIsLeftAlone() {
        target.busMaster = true;
        assertThat(move().note()).contains("is in use");
        assertRunsOnHere();
        assertThat(target.resets).hasValue(0);
    }

    @Test
    void targetThatIsMovedByAnotherIsLeftAlone() {
        target.migration.as("another").request(MigrationState.STOP);
        assertThat(move().note()).contains("another moves it");
        assertRunsOnHere();
        assertThat(target.resets).hasValue(0);
    }

    @Test
    void targetThatNobodyHasOpenSaysWhatToDo() {
        target.open = false;
        assertThat(move().note()).contains("start the VMM that is to go on with it");
        assertRunsOnHere();
    }

    @Test
    void targetOfAnotherKindIsLeftAlone() {
        target.with(new PciIds(0x8086, 0x154c, 0x8086, 0, 0x020000, 3));
        assertThat(move().note()).contains("is PciIds").contains("and what comes is");
        assertRunsOnHere();
        assertThat(target.resets).hasValue(0);
    }

    /** Whatever comes: it is refused, and nothing of it runs. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    void messagesOutOfOrderAreRefused(int seed) {
        Random random = new Random(seed);
        for (int run = 0; run < 50; run++) {
            FakeRuntime runtime = new FakeRuntime(2, POWER_ON);
            var pair = UnixSocket.pair();
            Thread there = new Thread(() -> {
                try (Link link = new Link(pair.second())) {
                    new Incoming(
                                    link,
                                    runtime.manager(),
                                    "noise",
                                    address -> new Progress(Phase.RECEIVING, "noise", status -> {}))
                            .run();
                }
            });
            there.start();
            try (Link link = new Link(pair.first())) {
                new Hello(FakeRuntime.IDS, FakeRuntime.ADDRESS, List.of()).encode(link.payload());
                link.send(random.nextInt(10) == 0 ? MessageType.STATE : MessageType.HELLO);
                boolean loads = false;
                for (int message = 0; message < 5 && !loads; message++) {
                    MessageType type = MessageType.of(1 + random.nextInt(11)).orElseThrow();
                    loads = type == MessageType.LOAD;
                    byte[] noise = new byte[random.nextInt(40)];
                    random.nextBytes(noise);
                    link.payload().put(noise);
                    link.send(loads ? MessageType.COMMIT : type);
                }
            } catch (VfioException refused) {
                assertThat(refused.errno()).isIn(Errno.EPIPE, Errno.ECONNRESET);
            }
            joined(there);
            assertThat(runtime.state).isEqualTo(POWER_ON);
            assertThat(runtime.migration.state()).isEqualTo(MigrationState.RUNNING);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 7, Long.BYTES + Link.MEMORY_MAXIMUM + 1})
    void memoryOfAnImpossibleLengthIsRefused(int length) {
        try (UnixSocket.Pair pair = UnixSocket.pair();
                Link link = new Link(pair.second());
                NativeBuffer header = NativeBuffer.allocate(16)) {
            header.bytes().putInt(0, MessageType.MEMORY.number()).putInt(4, length);
            pair.first().send(header, 0, 16);
            assertThatThrownBy(link::receive).isInstanceOf(VfioException.class).hasMessageContaining("MEMORY claims");
        }
    }

    @Test
    void memoryThatWasNotAcceptedIsRefused() {
        assertThatThrownBy(() -> Hello.decodeRanges(ByteBuffer.allocate(3)))
                .isInstanceOf(VfioException.class)
                .hasMessageContaining("cut off");
    }

    private void assertRunsOnHere() {
        assertThat(source.running).isTrue();
        assertThat(source.migration.state()).isEqualTo(MigrationState.RUNNING);
        assertThat(source.state).isEqualTo(STATE);
        assertThat(source.isLogged()).as("untrapped").isFalse();
        assertThat(source.resets).hasValue(0);
    }

    private static void joinedCount(CountDownLatch latch) {
        try {
            assertThat(latch.await(10, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** It waits for something, or has come to its end. */
    private static void awaitWaiting(Thread thread) {
        while (thread.getState() != Thread.State.WAITING && thread.getState() != Thread.State.TERMINATED) {
            Thread.onSpinWait();
        }
    }

    private static void joined(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
