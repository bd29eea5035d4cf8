package vfio.iavf;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** Whose frames the function receives; remembered, since a reset makes the PF forget. */
final class AddressFilter {
    private final Mailbox mailbox;
    private final int vsi;
    private final MacAddress primary;
    private final Set<MacAddress> addresses = new LinkedHashSet<>();
    private boolean promiscuousUnicast;
    private boolean promiscuousMulticast;

    AddressFilter(Mailbox mailbox, Resources resources) {
        this.mailbox = mailbox;
        vsi = resources.vsiId();
        primary = resources.mac().value() == 0 ? MacAddress.random() : resources.mac();
        addresses.add(primary);
    }

    MacAddress primary() {
        return primary;
    }

    List<MacAddress> addresses() {
        return List.copyOf(addresses);
    }

    void sendAll() {
        mailbox.demand(Virtchnl.ADD_ETH_ADDR, Requests.addresses(vsi, addresses(), primary));
    }

    void withdrawAll() {
        mailbox.demand(Virtchnl.DEL_ETH_ADDR, Requests.addresses(vsi, addresses(), primary));
    }

    void add(MacAddress address) {
        mailbox.demand(Virtchnl.ADD_ETH_ADDR, Requests.addresses(vsi, List.of(address), primary));
        addresses.add(address);
    }

    void delete(MacAddress address) {
        mailbox.demand(Virtchnl.DEL_ETH_ADDR, Requests.addresses(vsi, List.of(address), primary));
        addresses.remove(address);
    }

    void promiscuous(boolean unicast, boolean multicast) {
        promiscuousUnicast = unicast;
        promiscuousMulticast = multicast;
        sendPromiscuous();
    }

    void sendPromiscuousIfWanted() {
        if (promiscuousUnicast || promiscuousMulticast) {
            sendPromiscuous();
        }
    }

    private void sendPromiscuous() {
        mailbox.demand(
                Virtchnl.CONFIG_PROMISCUOUS_MODE, Requests.promiscuous(vsi, promiscuousUnicast, promiscuousMulticast));
    }
}
