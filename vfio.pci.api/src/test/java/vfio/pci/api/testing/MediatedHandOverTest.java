package vfio.pci.api.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static vfio.pci.api.testing.TestMediation.accepting;
import static vfio.pci.api.testing.TestMediation.failsTest;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;

class MediatedHandOverTest {
    private final FakeDevice hardware = FakeDevice.of("1234:11e8").withBar(0, 0x10000);
    private final List<String> calls = new ArrayList<>();

    /** Leaves a state. */
    private final class Leaving extends TestMediation {
        Leaving() {
            super(calls);
        }

        @Override
        public Optional<HandOverState> suspend() {
            super.suspend();
            return Optional.of(new HandOverState("test", 1, new byte[] {42}));
        }
    }

    @Test
    void handOverSuspendsClosesAndOpensWithWhatWasLeft() {
        List<Optional<HandOverState>> seen = new ArrayList<>();
        MediateOps ops = context -> {
            calls.add("open");
            seen.add(context.handedOver());
            return Decision.accept(new Leaving());
        };
        MediatedDevice device = hardware.mediatedBy(ops);
        Mediation first = device.mediation();

        device.handOver(ops);

        assertThat(calls).containsExactly("open", "suspend", "close", "open");
        assertThat(seen.get(0)).isEmpty();
        assertThat(seen.get(1).orElseThrow().data()).containsExactly(42);
        assertThat(device.mediation()).isNotSameAs(first);
    }

    @Test
    void successorMustTakeWhatIsLeftAndAnotherIsAskedIfItDoesNot() {
        MediatedDevice device = hardware.mediatedBy(accepting(new Leaving()));
        assertThat(device.suspend())
                .hasValueSatisfying(state -> assertThat(state.schema()).isEqualTo("test"));

        assertThat(device.offer(accepting(new TestMediation(calls))))
                .hasToString("refused: it would lose what the driver before left: test version 1, 1 bytes");
        assertThat(device.offer(context -> context.handedOver()
                        .filter(state -> !state.isReadableAs("other", 1))
                        .map(state -> Decision.decline("cannot read " + state))
                        .orElseThrow()))
                .hasToString("declined: cannot read test version 1, 1 bytes");
        assertThatIllegalStateException().isThrownBy(() -> device.readInt(0, 0));
        assertThat(device.offer(taking(new TestMediation(calls)))).hasToString("accepted");
        assertThat(device.readInt(0, 0)).isZero();
        assertThatIllegalStateException().isThrownBy(() -> device.offer(taking(new TestMediation(calls))));
        device.handOver(accepting(new TestMediation(calls)));
    }

    @Test
    void successorMustLetBeMappedWhatClientMayHaveMapped() {
        MediatedDevice device =
                hardware.mediatedBy(accepting(new TestMediation(calls, SparseArea.direct(0x1000, 0x1000))));
        device.suspend();

        assertThat(device.offer(accepting(new TestMediation(calls, SparseArea.direct(0x2000, 0x1000))))
                        .toString())
                .startsWith("refused: the client may have mapped BAR0 [0x1000, 0x2000)");
        assertThat(device.offer(accepting(new TestMediation(calls, SparseArea.direct(0x0, 0x4000))))
                        .isAccepted())
                .isTrue();
        assertThat(device.regionInfo(0).areas())
                .as("what it was told first")
                .containsExactly(SparseArea.direct(0x1000, 0x1000));
    }

    @Test
    void memoryLentByMediationKeepsOthersOut() {
        FakeMemory own = FakeMemory.allocate("own", 0x10000);
        MediatedDevice device = hardware.mediatedBy(accepting(new Mediation() {
            @Override
            public @Nullable SharedMemory mmap(int region) {
                return own;
            }
        }));
        assertThat(device.mmap(0)).isSameAs(own);
        device.suspend();

        assertThat(device.offer(accepting(new TestMediation(calls))))
                .hasToString("refused: the client has mapped memory of BAR0 that belonged to the driver before");
    }

    @Test
    void defectInSuspendOrCloseFailsTest() {
        MediatedDevice device = hardware.mediatedBy(accepting(new Mediation() {
            @Override
            public Optional<HandOverState> suspend() {
                throw new VfioException(Errno.EIO, "slip");
            }

            @Override
            public void close() {
                throw new IllegalStateException("slip");
            }
        }));

        failsTest("suspend", device::suspend);
        failsTest("close", device::close);
        assertThat(hardware.ask(accepting(new TestMediation(calls)))).hasToString("accepted");
    }

    @Test
    void stateOfOlderVersionCanBeGiven() {
        HandOverState state = new HandOverState("test", 1, new byte[0]);
        hardware.withHandedOver(state);

        assertThat(hardware.ask(context ->
                        Decision.decline("got " + context.handedOver().orElseThrow())))
                .hasToString("declined: got " + state);
        assertThat(hardware.ask(accepting(new TestMediation(calls))).toString()).startsWith("refused: it would lose");
    }

    private static MediateOps taking(Mediation mediation) {
        return context -> {
            context.handedOver();
            return Decision.accept(mediation);
        };
    }
}
