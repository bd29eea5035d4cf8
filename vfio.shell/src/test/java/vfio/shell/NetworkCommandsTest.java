package vfio.shell;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.manage.NetworkCards.Port;
import vfio.pci.api.manage.NetworkCards.Promiscuous;
import vfio.pci.api.pci.PciAddress;

/** The commands of simulated network cards, as Gogo calls them. */
class NetworkCommandsTest {
    private static final PciAddress PF = Fakes.PF.address();
    private static final PciAddress VF = Fakes.VF.address();

    private final Gogo gogo = new Gogo();

    @BeforeEach
    void plug() {
        gogo.cards.ports.add(new Port(
                PF,
                Optional.of(VF),
                true,
                true,
                List.of("02:00:03:00:00:00", "33:33:00:00:00:01"),
                Promiscuous.MULTICAST,
                4,
                2,
                1,
                Map.of("rx.bytes", 60L, "tx.bytes", 0L)));
        gogo.cards.ports.add(new Port(
                PF, Optional.empty(), false, true, List.of(), Promiscuous.OFF, 1, 1, 0, Map.of("rx.bytes", 0L)));
    }

    @AfterEach
    void stop() {
        gogo.close();
    }

    @Test
    void listsPorts() throws Exception {
        assertThat(gogo.run("sim:ports").lines().map(line -> line.replaceAll(" {2,}", "|")))
                .containsExactly(
                        "port|link|driver|addresses|RX+TX queues|counters",
                        "0000:03:02.0|up|yes|02:00:03:00:00:00 33:33:00:00:00:01 (and all multicast)|4+2|malicious.events=1"
                                + " rx.bytes=60",
                        "host of 0000:03:00.0|down|yes|-|1+1|-");
        gogo.cards.ports.clear();
        assertThat(gogo.run("sim:ports")).startsWith("There is no simulated network card.");
    }

    @Test
    void takesTheLinkDownAndUp() throws Exception {
        assertThat(gogo.run("sim:link 3:0.0 down")).isEqualTo("the link of 0000:03:00.0 is down");
        assertThat(gogo.run("sim:link 0000:03:00.0 up")).isEqualTo("the link of 0000:03:00.0 is up");
        assertThat(gogo.cards.requests).containsExactly("link " + PF + " false", "link " + PF + " true");
    }

    @Test
    void resetsAVirtualFunction() throws Exception {
        assertThat(gogo.run("sim:reset 3:2.0")).isEqualTo("0000:03:02.0 is being reset by its physical function");
        assertThat(gogo.cards.requests).containsExactly("reset " + VF);
    }

    @Test
    void showsWrittenPages() throws Exception {
        assertThat(gogo.run("sim:written 3:2.0 on")).startsWith("pages that 0000:03:02.0 writes are written down;");
        assertThat(gogo.run("sim:written 3:2.0")).isEqualTo("nothing");
        gogo.cards.written = new long[] {1, 2, 3, 0x100000, 0x100002};
        assertThat(gogo.run("sim:written 3:2.0").lines())
                .containsExactly("0x1000 +0x3000", "0x100000000 +0x1000", "0x100002000 +0x1000");
        assertThat(gogo.run("sim:written 3:2.0 off")).isEqualTo("pages that 0000:03:02.0 writes are not written down");
        assertThat(gogo.cards.requests)
                .containsExactly("log " + VF + " true", "take " + VF, "take " + VF, "log " + VF + " false");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "sim:link 3:0.0 sideways|'sideways' is no state of a link: it is down or up",
                "sim:link 3:2.0 up|3:2.0 is not a simulated network card; sim:ports lists them",
                "sim:reset 3:0.0|3:0.0 is not a virtual function of a simulated network card; sim:ports lists them",
                "sim:written 3:2.0 maybe|'maybe' is no state of the log: it is off or on",
            })
    void saysWhatIsWrong(String command, String sentence) {
        assertThatThrownBy(() -> gogo.run(command)).hasMessage(sentence);
        assertThat(gogo.cards.requests).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"sim:link", "sim:link 3:0.0", "sim:reset", "sim:written"})
    void saysHowItIsUsed(String command) {
        assertThatThrownBy(() -> gogo.run(command)).hasMessageStartingWith("usage: sim:");
    }

    @Test
    void saysThatThereIsNobody() {
        gogo.network.cards = null;
        assertThatThrownBy(() -> gogo.run("sim:ports"))
                .hasMessage("there is no simulated network card: is the bundle vfio.sim active? See felix:lb");
    }
}
