package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class VirtualSwitchTest {
    private static final long OWN = 0x0200_0000_0001L;
    private static final long GROUP = 0x0100_5e00_0001L;
    private static final long UNKNOWN = 0x0200_0000_0099L;

    private final VirtualSwitch forwarding = new VirtualSwitch();
    private final List<Integer> reached = new ArrayList<>();

    VirtualSwitchTest() {
        for (int port : new int[] {0, 1, 2, VirtualSwitch.HOST}) {
            forwarding.plug(port, (frame, type) -> reached.add(port));
        }
        forwarding.addFilter(OWN, 1);
        forwarding.addFilter(GROUP, 1);
    }

    @Test
    void unicastGoesToItsOwner() {
        assertThat(reached(0, OWN)).containsExactly(1);
    }

    @Test
    void nothingGoesBack() {
        assertThat(reached(1, OWN)).isEmpty();
        assertThat(reached(1, MacTable.BROADCAST)).containsExactly(0, 2, VirtualSwitch.HOST);
    }

    @Test
    void severalMayOwnAnAddress() {
        forwarding.addFilter(OWN, 2);
        assertThat(reached(0, OWN)).containsExactly(1, 2);
        forwarding.removeFilter(OWN, 1);
        assertThat(reached(0, OWN)).containsExactly(2);
    }

    @Test
    void unicastThatNobodyOwnsGoesOutAndToThePromiscuous() {
        assertThat(reached(0, UNKNOWN)).containsExactly(VirtualSwitch.HOST);
        forwarding.promiscuous(2, true, false);
        assertThat(reached(0, UNKNOWN)).containsExactly(2, VirtualSwitch.HOST);
        assertThat(reached(0, OWN)).as("somebody owns it").containsExactly(1);
        forwarding.promiscuous(2, false, false);
        assertThat(reached(0, UNKNOWN)).containsExactly(VirtualSwitch.HOST);
    }

    @Test
    void multicastGoesToThoseWhoWantIt() {
        assertThat(reached(0, GROUP)).containsExactly(1, VirtualSwitch.HOST);
        forwarding.promiscuous(2, false, true);
        assertThat(reached(0, GROUP)).containsExactly(1, 2, VirtualSwitch.HOST);
        assertThat(reached(0, GROUP + 1)).containsExactly(2, VirtualSwitch.HOST);
    }

    @Test
    void whoIsPulledOutIsNotReached() {
        forwarding.promiscuous(1, true, true);
        forwarding.unplug(1);
        assertThat(reached(0, OWN)).isEmpty();
        assertThat(reached(0, MacTable.BROADCAST)).containsExactly(2, VirtualSwitch.HOST);
        assertThat(forwarding.isUnicastPromiscuous(1)).isFalse();
    }

    @Test
    void kindsOfDestinations() {
        assertThat(CastType.of(OWN)).isEqualTo(CastType.UNICAST);
        assertThat(CastType.of(GROUP)).isEqualTo(CastType.MULTICAST);
        assertThat(CastType.of(MacTable.BROADCAST)).isEqualTo(CastType.BROADCAST);
    }

    private List<Integer> reached(int from, long destination) {
        reached.clear();
        ByteBuffer bytes = ByteBuffer.allocate(64).putLong(0, destination << 16);
        forwarding.forward(from, new Frame().at(bytes, 0, 60, true, null));
        return List.copyOf(reached);
    }
}
