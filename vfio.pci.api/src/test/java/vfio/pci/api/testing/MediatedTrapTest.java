package vfio.pci.api.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static vfio.pci.api.testing.TestMediation.fails;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.MediationContext;

class MediatedTrapTest {
    private final FakeDevice hardware = FakeDevice.of("1234:11e8").withBar(0, 0x10000);
    private final List<String> calls = new ArrayList<>();

    @Test
    void trapIsInForceWhenClientHasConfirmed() {
        MediationContext[] lent = new MediationContext[1];
        MediatedDevice device = hardware.mediatedBy(trapping(lent));
        MediationContext context = lent[0];
        assertThat(device.isTrapped()).isFalse();

        assertThat(context.trap(true)).isFalse();
        assertThat(device.isTrapPending()).isTrue();
        assertThat(context.trapRequested()).isTrue();
        assertThat(device.regionInfo(0).areas()).isEmpty();
        assertThat(calls).isEmpty();
        device.confirmTrap();

        assertThat(calls).containsExactly("trapChanged true");
        assertThat(device.isTrapped()).isTrue();
        assertThat(context.trap(true)).isTrue();
        assertThatIllegalStateException().isThrownBy(device::confirmTrap);
        assertThat(context.trap(false)).isFalse();
        assertThat(device.isTrapped()).isFalse();
        assertThat(device.regionInfo(0).areas()).hasSize(1);
        assertThat(calls).hasSize(1);
    }

    @Test
    void trapIsOverWhenClientDoesNotConfirm() {
        MediationContext[] lent = new MediationContext[1];
        MediatedDevice device = hardware.mediatedBy(trapping(lent));
        lent[0].trap(true);

        device.missTrap();

        assertThat(calls).containsExactly("trapChanged false");
        assertThat(lent[0].trapRequested()).isFalse();
        assertThat(device.isTrapPending()).isFalse();
        assertThatIllegalStateException().isThrownBy(device::missTrap);
    }

    @Test
    void administratorMayTrapToo() {
        MediationContext[] lent = new MediationContext[1];
        MediatedDevice device = hardware.mediatedBy(trapping(lent));

        device.requestTrap(true);
        device.confirmTrap();
        assertThat(lent[0].trap(true)).isTrue();
        device.requestTrap(false);
        assertThat(device.isTrapped()).as("the mediation still wants it").isTrue();
        lent[0].trap(false);
        device.requestTrap(true);
        device.confirmTrap();
        device.requestTrap(false);

        assertThat(calls).containsExactly("trapChanged true", "trapChanged true", "trapChanged false");
    }

    @Test
    void wishToTrapWhileOpeningCountsFromThenOn() {
        MediateOps wishing = context -> {
            assertThat(context.trap(true)).isFalse();
            return Decision.accept(new TestMediation(calls, SparseArea.disablable(0, 0x1000)));
        };
        try (MediatedDevice device = hardware.mediatedBy(wishing)) {
            assertThat(device.isTrapPending()).isTrue();
            device.confirmTrap();
        }
        try (MediatedDevice device = hardware.withTrapping(Trapping.ALWAYS).mediatedBy(wishing)) {
            assertThat(device.isTrapped()).isTrue();
            assertThat(device.regionInfo(0).areas()).isEmpty();
        }
        try (MediatedDevice device = hardware.withTrapping(Trapping.NEVER).mediatedBy(wishing)) {
            assertThat(device.regionInfo(0).areas()).containsExactly(SparseArea.direct(0, 0x1000));
        }
        assertThat(calls)
                .containsExactly(
                        "trapChanged true", "close", "trapChanged true", "close", "trapChanged false", "close");
    }

    @Test
    void trapIsRefusedIfThereIsNothingToTrapOrClientMapsItForGood() {
        MediationContext[] lent = new MediationContext[1];
        try (MediatedDevice device = hardware.mediatedBy(context -> {
            lent[0] = context;
            return Decision.accept(new TestMediation(calls));
        })) {
            fails(Errno.EOPNOTSUPP, () -> lent[0].trap(true));
            fails(Errno.EOPNOTSUPP, () -> device.requestTrap(true));
            assertThat(lent[0].trap(false)).isFalse();
        }
        try (MediatedDevice device = hardware.withTrapping(Trapping.NEVER).mediatedBy(trapping(lent))) {
            fails(Errno.EOPNOTSUPP, () -> device.requestTrap(true));
        }
    }

    @Test
    void trapStaysInForceIfSuccessorWantsItToo() {
        MediationContext[] lent = new MediationContext[1];
        MediatedDevice device = hardware.mediatedBy(trapping(lent));
        lent[0].trap(true);
        device.confirmTrap();
        calls.clear();

        device.handOver(context -> {
            assertThat(context.trap(true)).isTrue();
            return Decision.accept(new TestMediation(calls, SparseArea.disablable(0, 0x1000)));
        });
        assertThat(device.isTrapped()).isTrue();
        device.handOver(trapping(lent));

        assertThat(device.isTrapped()).isFalse();
        assertThat(calls).containsExactly("suspend", "close", "suspend", "close");
    }

    private MediateOps trapping(MediationContext[] lent) {
        return context -> {
            lent[0] = context;
            return Decision.accept(new TestMediation(calls, SparseArea.disablable(0, 0x1000)));
        };
    }
}
