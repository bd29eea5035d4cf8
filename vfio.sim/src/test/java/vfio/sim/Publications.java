package vfio.sim;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/** Functions that are known, and how that came about: {@code +} published, {@code ~} changed, {@code -} withdrawn. */
final class Publications implements Publication.Publisher {
    final List<PciDevice> present = new ArrayList<>();
    final List<String> history = new ArrayList<>();
    Consumer<PciDevice> beforePublish = device -> {};
    Consumer<PciDevice> beforeWithdraw = device -> {};

    @Override
    public Publication publish(PciDevice function) {
        beforePublish.accept(function);
        present.add(function);
        history.add("+" + function.address());
        return new Publication() {
            @Override
            public void changed() {
                history.add("~" + function.address());
            }

            @Override
            public void withdraw() {
                beforeWithdraw.accept(function);
                present.remove(function);
                history.add("-" + function.address());
            }
        };
    }

    PciDevice at(PciAddress address) {
        return find(address).findFirst().orElseThrow();
    }

    boolean has(PciAddress address) {
        return find(address).findFirst().isPresent();
    }

    private Stream<PciDevice> find(PciAddress address) {
        return present.stream().filter(function -> function.address().equals(address));
    }
}
