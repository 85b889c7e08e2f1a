// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CommonBase} from "forge-std/Base.sol";
import {StdUtils} from "forge-std/StdUtils.sol";

import {IEnergyConsortium} from "../../src/IEnergyConsortium.sol";
import {Trade, packTrade} from "../../src/Trade.sol";
import {
    FalseToken,
    FeeToken,
    GenerousToken,
    OpenToken,
    ReentrantToken,
    ThievingToken
} from "./Tokens.sol";

/// @dev What the fuzzer may do to a consortium, and a plain model of what should come of it. Calls
/// that may fail are tried; calls that must not fail, and effects that must not be, leave a
/// `violation`.
contract Handler is CommonBase, StdUtils {
    struct Submission {
        uint256 position;
        bytes32 id;
        address submitter;
        uint40 deadline;
        Trade[] trades;
        IEnergyConsortium.BatchState state;
    }

    struct Balance {
        uint256 free;
        uint256 locked;
        uint32 sequence;
    }

    uint256 private constant ACCOUNTS = 6;
    uint256 private constant KEYS = 8;
    uint16 private constant LOTS = 2;

    /// @dev Belongs to the token itself, so that it can come back while it is called.
    uint32 private constant TOKENS_ACCOUNT = 7;

    IEnergyConsortium private immutable _consortium;
    OpenToken private immutable _token;
    address private immutable _authority;

    address[] private _owners;
    address[] private _keys;
    address[] private _aggregators;

    /// @dev Tokens whose code the settlement token takes on for one call; the last one re-enters.
    address[] private _hostile;

    /// @dev Which stay of a key in its seat a vote belongs to; a key that comes back starts
    /// another.
    mapping(address key => uint256) private _stay;
    mapping(bytes32 id => mapping(address key => uint256 stay)) private _confirmedIn;
    mapping(bytes32 id => mapping(address key => uint256 stay)) private _rejectedIn;

    /// @dev Confirmations signed off chain, kept for ever and sent whenever the fuzzer likes: in
    /// time, late, again, and after their keys have left.
    struct Signed {
        bytes32 id;
        address signer;
        uint256 stay;
        IEnergyConsortium.SeatSignature signature;
    }

    /// @dev What an owner signed, likewise kept.
    struct Order {
        uint256 kind;
        uint32 account;
        uint64 amount;
        uint256 nonce;
        uint40 deadline;
        IEnergyConsortium.Mandate limits;
        bytes signature;
    }

    Signed[] private _confirmations;
    Order[] private _orders;
    mapping(address signer => uint256 key) private _secrets;
    mapping(address owner => uint256) private _nonces;

    Submission[] private _submissions;

    /// @dev Positions of those that are neither settled nor refunded.
    uint256[] private _open;
    mapping(uint32 account => Balance) private _balances;
    mapping(uint256 word => bool) private _charged;

    uint256 public deposited;
    uint256 public withdrawn;
    string public violation;

    /// @dev How often each outcome was reached, to see that the runs are not idle.
    mapping(IEnergyConsortium.BatchState => uint256) public reached;

    constructor(
        IEnergyConsortium consortium_,
        OpenToken token_,
        address authority_,
        address[] memory operators
    ) {
        _consortium = consortium_;
        _token = token_;
        _authority = authority_;
        for (uint256 i = 0; i < KEYS; ++i) {
            _keys.push(i < operators.length ? operators[i] : vm.addr(0x6000 + i));
            // The invariant test made the first operators' keys of the same numbers.
            _secrets[_keys[i]] = 0x6000 + i;
            _stay[_keys[i]] = 1;
        }
        for (uint256 i = 0; i < 2; ++i) {
            _aggregators.push(address(uint160(0x7000 + i)));
            vm.prank(_authority);
            _consortium.setAggregator(_aggregators[i], true);
        }
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            address owner = vm.addr(0x8000 + i);
            _secrets[owner] = 0x8000 + i;
            _owners.push(owner);
            vm.startPrank(owner);
            uint32 account = _consortium.register(bytes32(i));
            _consortium.setMandate(account, _generousMandate());
            ++_nonces[owner];
            vm.stopPrank();
            _deposit(account, 100_000_000);
        }
        for (uint16 lot = 1; lot <= LOTS; ++lot) {
            vm.prank(_authority);
            _consortium.setLot(lot, lot);
        }
        _hostile.push(address(new FeeToken()));
        _hostile.push(address(new GenerousToken()));
        _hostile.push(address(new ThievingToken()));
        _hostile.push(address(new FalseToken()));
        _hostile.push(address(new ReentrantToken()));
        vm.startPrank(address(_token));
        _consortium.register("token");
        _token.approve(address(_consortium), type(uint256).max);
        vm.stopPrank();
        _token.mint(address(_token), 100_000_000);
        _deposit(TOKENS_ACCOUNT, 100_000_000);
    }

    // --------------------------------------------------------------------------------- actions

    function submit(uint256 seed, uint8 size, uint32 energyWh) external {
        _submit(_aggregator(seed >> 8), _soon(seed), _draw(seed, size, energyWh), new Signed[](0));
    }

    /// @dev Submitted with signatures at once: those of all operators but the absent, or, now and
    /// then, any that there are.
    function submitWithSignatures(uint256 seed, uint8 size, uint32 energyWh, uint256 absent)
        external
    {
        address caller = _aggregator(seed >> 8);
        Trade[] memory trades = _draw(seed, size, energyWh);
        bytes32 id = _consortium.batchIdOf(caller, _soon(seed), trades);
        Signed[] memory chosen = absent % 8 == 0 && _confirmations.length != 0
            ? _drawSigned(absent)
            : _signAll(id, absent >> 8);
        if (chosen.length != 0) _submit(caller, _soon(seed), trades, chosen);
    }

    /// @dev A batch with one field of one trade changed, from anyone.
    function submitGarbled(uint256 seed, uint8 field, uint32 value) external {
        Trade[] memory trades = new Trade[](2);
        for (uint256 i = 0; i < 2; ++i) {
            trades[i] = packTrade(
                1, 2, 5000, 250_000, 240_000, _balances[1].sequence + uint32(i + 1), 0, 1
            );
        }
        uint256 offset = 32 * (field % 8);
        uint256 word = Trade.unwrap(trades[seed % 2]) & ~(uint256(type(uint32).max) << offset);
        trades[seed % 2] = Trade.wrap(word | (uint256(value) << offset));
        _submit(_anyone(seed), uint40(block.timestamp + seed % 2 days), trades, new Signed[](0));
    }

    /// @dev The same trades once more, under the same or another deadline.
    function submitAgain(uint256 seed, bool later) external {
        if (_submissions.length == 0) return;
        Submission storage old = _submissions[seed % _submissions.length];
        _submit(old.submitter, old.deadline + (later ? 1 : 0), old.trades, new Signed[](0));
    }

    function confirm(uint256 which, uint256 who) external {
        _vote(which, who, true);
    }

    /// @dev Most of the operators confirm, as they do on a good day.
    function confirmByMost(uint256 which, uint256 absent) external {
        for (uint256 i = 0; i < KEYS; ++i) {
            if ((absent >> (2 * i)) % 4 != 0) _vote(which, i, true);
        }
    }

    /// @dev An operator, or one that was or will be, signs; mostly for the seat that it holds.
    function sign(uint256 which, uint256 who, uint8 seat) external {
        if (_submissions.length == 0) return;
        address signer = _keys[who % KEYS];
        if (which % 8 != 0 && _consortium.isOperator(signer)) seat = _consortium.seatOf(signer);
        _sign(_pick(which).id, signer, seat);
    }

    /// @dev Any signatures there are, mostly those on one batch and sorted, for any batch.
    function confirmWithSignatures(uint256 which, uint256 seed) external {
        if (_submissions.length == 0 || _confirmations.length == 0) return;
        Signed[] memory chosen = _drawSigned(seed);
        _confirmBy(_pick(which).id, chosen, seed % 8 != 0);
    }

    /// @dev All operators but the absent sign and one transaction brings it, as on a good day.
    function confirmByBundle(uint256 which, uint256 absent) external {
        if (_submissions.length == 0) return;
        bytes32 id = _pick(which).id;
        Signed[] memory chosen = _signAll(id, absent);
        if (chosen.length != 0) _confirmBy(id, chosen, true);
    }

    /// @dev An owner signs a mandate, a revocation or a withdrawal, at times ahead of its nonce.
    function order(uint256 who, uint256 kind, uint64 amount, uint256 seed) external {
        address owner = _owners[who % ACCOUNTS];
        Order storage made = _orders.push();
        made.kind = kind % 3;
        made.account = uint32(1 + who % ACCOUNTS);
        made.amount = uint64(bound(amount, 1, 200_000_000));
        made.nonce = _nonces[owner] + (seed % 4 == 0 ? seed % 3 : 0);
        made.deadline = uint40(block.timestamp + seed % 6 hours);
        made.limits = _generousMandate();
        made.limits.minSellPrice = uint32(seed % 200_000);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_secrets[owner], _typed(_contentOf(made, owner)));
        made.signature = abi.encodePacked(r, s, v);
    }

    /// @dev Anyone sends any order, for the first or another time, now and then changed.
    function carryOut(uint256 which, bool changed) external {
        if (_orders.length == 0) return;
        Order memory sent = _orders[which % _orders.length];
        address owner = _consortium.account(sent.account).owner;
        bool valid = !changed && sent.nonce == _nonces[owner] && block.timestamp <= sent.deadline;
        if (changed) {
            ++sent.amount;
            ++sent.limits.maxBuyPrice;
            ++sent.deadline;
        }
        bool done = _send(sent, owner);
        if (done && !valid) violation = "an order was carried out that was not signed so";
        if (done) ++_nonces[owner];
        if (done && sent.kind == 2) {
            if (sent.amount > _balances[sent.account].free) {
                violation = "more was withdrawn than was free";
            }
            withdrawn += sent.amount;
            _balances[sent.account].free -= sent.amount;
        }
        bool mustWork = valid
            && (sent.kind == 1 || (sent.kind == 2 && sent.amount <= _balances[sent.account].free));
        if (!done && mustWork) violation = "a signed revocation or withdrawal failed";
        if (_consortium.nonces(owner) != _nonces[owner]) violation = "a nonce is not as counted";
    }

    function reject(uint256 which, uint256 who) external {
        _vote(which, who, false);
    }

    function cancel(uint256 which, uint256 who) external {
        if (_submissions.length == 0) return;
        Submission storage chosen = _pick(which);
        address caller = who % 8 == 0 ? chosen.submitter : _anyone(who);
        bytes32 tradesHash = keccak256(abi.encodePacked(chosen.trades));
        vm.prank(caller);
        try _consortium.cancel(chosen.id, tradesHash) {
            if (caller != chosen.submitter) violation = "cancelled by a stranger";
        } catch {}
        _observe();
    }

    function finalize(uint256 which) external {
        if (_submissions.length == 0) return;
        try _consortium.finalize(_pick(which).id) {} catch {}
        _observe();
    }

    /// @dev Settles or refunds, whichever the state calls for, and at times the other.
    function close(uint256 which, bool wrong) external {
        if (_submissions.length == 0) return;
        _close(_pick(which), wrong);
    }

    function money(uint256 who, uint64 amount, uint8 what) external {
        uint32 account = uint32(1 + who % ACCOUNTS);
        if (what % 4 == 0) {
            _token.mint(address(_consortium), amount % 1000);
        } else if (what % 4 == 1) {
            if (!_consortium.paused()) _deposit(account, uint64(bound(amount, 1, 100_000_000)));
        } else {
            _withdraw(account, uint64(bound(amount, 1, 200_000_000)));
        }
    }

    /// @dev A deposit or a withdrawal during which the token takes a fee, adds something, takes from
    /// the recipient, moves nothing and says so, or calls back.
    function moneyOfHostileToken(uint256 who, uint64 amount, uint8 kind, uint256 seed) external {
        uint32 account = uint32(1 + who % ACCOUNTS);
        // From 100 on, a fee of a hundredth is not nothing.
        amount = uint64(bound(amount, 100, 100_000_000));
        _token.mint(address(this), amount);
        _token.approve(address(_consortium), amount);
        uint256 position = _submissions.length == 0 ? 0 : _pick(seed >> 16).position;
        uint32[LOTS] memory beneficiaries = _beneficiaries();

        bytes memory honest = address(_token).code;
        vm.etch(address(_token), _hostile[kind % 5].code);
        bool reenters = kind % 5 == 4;
        uint256 back = (seed >> 8) % (_submissions.length == 0 ? 2 : 3);
        if (reenters) {
            ReentrantToken(address(_token))
                .prepare(address(_consortium), _callBack(back, position));
        }
        bool done = seed % 2 == 0
            ? _depositTo(account, amount, reenters)
            : _withdrawFrom(account, amount, kind % 5 != 3);
        bool entered = done && reenters && ReentrantToken(address(_token)).entered()
            && ReentrantToken(address(_token)).succeeded();
        vm.etch(address(_token), honest);

        if (entered && back != 2) violation = "a token entered a call that moves tokens";
        if (entered && back == 2) _followClosing(_submissions[position], beneficiaries);
        _observe();
    }

    function mandate(uint256 who, uint256 limits, bool revoke) external {
        uint256 index = who % ACCOUNTS;
        uint32 account = uint32(1 + index);
        IEnergyConsortium.Mandate memory chosen = _generousMandate();
        if (limits % 3 == 0) {
            chosen.maxBuyPrice = uint32(200_000 + (limits >> 8) % 100_000);
            chosen.minSellPrice = uint32(180_000 + (limits >> 32) % 100_000);
            chosen.validUntil = uint32(block.timestamp + (limits >> 64) % 2 days);
        }
        chosen.aggregator = _aggregator(limits >> 96);
        chosen.openToBuyers = (limits >> 97) % 2 == 0;
        vm.prank(_owners[index]);
        if (revoke && limits % 2 == 0) {
            _consortium.revokeMandate(account);
            ++_nonces[_owners[index]];
        } else {
            try _consortium.setMandate(account, chosen) {
                ++_nonces[_owners[index]];
            } catch {}
        }
    }

    function govern(uint8 what, uint256 who, uint256 value) external {
        address key = _keys[who % KEYS];
        vm.startPrank(_authority);
        if (what % 9 == 0) {
            try _consortium.addOperator(key) {
                ++_stay[key];
            } catch {}
        } else if (what % 9 == 1) {
            try _consortium.removeOperator(key) {} catch {}
        } else if (what % 9 == 2) {
            address to = _keys[value % KEYS];
            try _consortium.rotateOperator(key, to) {
                ++_stay[to];
            } catch {}
        } else if (what % 9 == 3) {
            try _consortium.setQuorum(uint8(value % 6)) {} catch {}
        } else if (what % 9 == 4) {
            _consortium.setPriceBand(
                uint32(value % 220_000), uint32(240_000 + (value >> 32) % 100_000)
            );
        } else if (what % 9 == 5) {
            _consortium.setLargestSpread(uint32(value % 30_000));
        } else if (what % 9 == 6) {
            _consortium.setLot(uint16(1 + who % LOTS), uint32(value % (ACCOUNTS + 1)));
        } else if (what % 9 == 7) {
            _consortium.setAggregator(_aggregators[who % 2], value % 4 != 0);
        } else if (_consortium.paused()) {
            _consortium.unpause();
        } else if (value % 4 == 0) {
            _consortium.pause();
        }
        vm.stopPrank();
        _observe();
    }

    /// @dev Everything back to where trading works, so that no run stays blocked.
    function restore() external {
        vm.startPrank(_authority);
        if (_consortium.paused()) _consortium.unpause();
        _consortium.setPriceBand(0, 500_000);
        _consortium.setLargestSpread(30_000);
        for (uint256 i = 0; i < 2; ++i) {
            _consortium.setAggregator(_aggregators[i], true);
            if (_consortium.lotAccount(uint16(1 + i)) == 0) {
                _consortium.setLot(uint16(1 + i), uint32(1 + i));
            }
        }
        vm.stopPrank();
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            vm.prank(_owners[i]);
            _consortium.setMandate(uint32(1 + i), _generousMandate());
            ++_nonces[_owners[i]];
        }
    }

    function wait(uint32 time) external {
        vm.warp(block.timestamp + time % 3 hours);
        _observe();
    }

    /// @dev The end of a run: every batch is closed and every micro-euro withdrawn.
    function closeEverything() external {
        vm.warp(block.timestamp + 2 days);
        for (uint256 i = 0; i < _submissions.length; ++i) {
            _observe();
            _close(_submissions[i], false);
        }
        for (uint32 account = 1; account <= _consortium.accountCount(); ++account) {
            uint64 free = _consortium.account(account).free;
            if (free != 0) _withdraw(account, free);
        }
    }

    // ----------------------------------------------------------------------------------- model

    function openLocks() external view returns (uint256 total) {
        for (uint256 i = 0; i < _open.length; ++i) {
            Submission storage locking = _submissions[_open[i]];
            for (uint256 j = 0; j < locking.trades.length; ++j) {
                (uint256 cost,) = _amounts(locking.trades[j]);
                total += cost;
            }
        }
    }

    function balance(uint32 account) external view returns (uint256 free, uint256 locked) {
        return (_balances[account].free, _balances[account].locked);
    }

    /// @param chosen Signatures that travel with the batch; without any it is submitted plainly.
    function _submit(
        address caller,
        uint40 deadline,
        Trade[] memory trades,
        Signed[] memory chosen
    ) private {
        bool allowed = true;
        (uint32 lowest, uint32 highest) = _consortium.priceBand();
        for (uint256 i = 0; i < trades.length; ++i) {
            allowed = allowed && _withinLimits(trades[i], lowest, highest);
        }
        _sort(chosen);
        bytes memory call_ = chosen.length == 0
            ? abi.encodeCall(IEnergyConsortium.submit, (trades, deadline))
            : abi.encodeCall(
                IEnergyConsortium.submitWithSignatures, (trades, deadline, _bundle(chosen))
            );
        vm.prank(caller);
        (bool done, bytes memory answer) = address(_consortium).call(call_);
        if (done) {
            if (!allowed) violation = "a trade outside the band or a mandate was accepted";
            _record(abi.decode(answer, (bytes32)), caller, deadline, trades);
            if (chosen.length != 0) {
                bytes32 id = abi.decode(answer, (bytes32));
                if (!_isValid(id, chosen)) violation = "a bundle counted that should not";
                _recordVotes(id, chosen);
            }
        }
        _observe();
    }

    function _record(bytes32 id, address caller, uint40 deadline, Trade[] memory trades) private {
        _open.push(_submissions.length);
        Submission storage made = _submissions.push();
        made.position = _submissions.length - 1;
        made.id = id;
        made.submitter = caller;
        made.deadline = deadline;
        made.state = IEnergyConsortium.BatchState.Pending;
        for (uint256 i = 0; i < trades.length; ++i) {
            _charge(trades[i]);
            made.trades.push(trades[i]);
        }
        ++reached[IEnergyConsortium.BatchState.Pending];
    }

    function _withinLimits(Trade trade, uint32 lowest, uint32 highest)
        private
        view
        returns (bool)
    {
        IEnergyConsortium.Mandate memory buys = _consortium.mandateOf(trade.buyer());
        IEnergyConsortium.Mandate memory sells = _consortium.mandateOf(trade.seller());
        return trade.buyerPrice() <= highest && trade.sellerPrice() >= lowest
            && trade.sellerPrice() <= trade.buyerPrice() && trade.buyerPrice() <= buys.maxBuyPrice
            && trade.sellerPrice() >= sells.minSellPrice && buys.validUntil >= block.timestamp
            && sells.validUntil >= block.timestamp;
    }

    function _charge(Trade trade) private {
        Balance storage buyer = _balances[trade.buyer()];
        (uint256 cost,) = _amounts(trade);
        if (_charged[Trade.unwrap(trade)]) violation = "a trade word was charged twice";
        _charged[Trade.unwrap(trade)] = true;
        if (trade.sequence() <= buyer.sequence) violation = "a sequence did not rise";
        buyer.sequence = trade.sequence();
        if (cost > buyer.free) violation = "more was locked than was free";
        buyer.free -= cost;
        buyer.locked += cost;
    }

    function _vote(uint256 which, uint256 who, bool inFavour) private {
        if (_submissions.length == 0) return;
        Submission storage chosen = _pick(which);
        address key = _keys[who % KEYS];
        vm.prank(key);
        if (inFavour) {
            try _consortium.confirm(chosen.id) {
                _confirmedIn[chosen.id][key] = _stay[key];
            } catch {}
        } else {
            try _consortium.reject(chosen.id, "energy") {
                _rejectedIn[chosen.id][key] = _stay[key];
            } catch {}
        }
        _observe();
    }

    function _sign(bytes32 id, address signer, uint8 seat) private returns (Signed memory made) {
        bytes32 content =
            keccak256(abi.encode(keccak256("Confirmation(bytes32 batchId,uint8 seat)"), id, seat));
        (bytes32 r, bytes32 vs) = vm.signCompact(_secrets[signer], _typed(content));
        made.id = id;
        made.signer = signer;
        made.signature = IEnergyConsortium.SeatSignature({seat: seat, r: r, vs: vs});
        // A signature counts in the stay in which it was given and for the seat of that stay only.
        if (_consortium.isOperator(signer) && _consortium.seatOf(signer) == seat) {
            made.stay = _stay[signer];
        }
        _confirmations.push(made);
    }

    /// @dev Every operator but the absent signs.
    function _signAll(bytes32 id, uint256 absent) private returns (Signed[] memory chosen) {
        chosen = new Signed[](KEYS);
        uint256 count = 0;
        for (uint256 i = 0; i < KEYS; ++i) {
            if ((absent >> (2 * i)) % 4 == 0 || !_consortium.isOperator(_keys[i])) continue;
            chosen[count++] = _sign(id, _keys[i], _consortium.seatOf(_keys[i]));
        }
        assembly ("memory-safe") {
            mstore(chosen, count)
        }
    }

    function _drawSigned(uint256 seed) private view returns (Signed[] memory chosen) {
        chosen = new Signed[](1 + seed % 5);
        for (uint256 i = 0; i < chosen.length; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            chosen[i] = _confirmations[dice % _confirmations.length];
        }
    }

    function _confirmBy(bytes32 id, Signed[] memory chosen, bool sorted) private {
        if (sorted) _sort(chosen);
        bool valid = _consortium.stateOf(id) == IEnergyConsortium.BatchState.Pending
            && _isValid(id, chosen);
        try _consortium.confirmWithSignatures(id, _bundle(chosen)) {
            if (!valid) violation = "a bundle counted that should not";
            _recordVotes(id, chosen);
        } catch {
            if (valid) violation = "a valid bundle failed";
        }
        _observe();
    }

    function _sort(Signed[] memory chosen) private pure {
        for (uint256 i = 1; i < chosen.length; ++i) {
            for (uint256 j = i; j > 0 && chosen[j].signer < chosen[j - 1].signer; --j) {
                (chosen[j], chosen[j - 1]) = (chosen[j - 1], chosen[j]);
            }
        }
    }

    function _bundle(Signed[] memory chosen)
        private
        pure
        returns (IEnergyConsortium.SeatSignature[] memory bundle)
    {
        bundle = new IEnergyConsortium.SeatSignature[](chosen.length);
        for (uint256 i = 0; i < chosen.length; ++i) {
            bundle[i] = chosen[i].signature;
        }
    }

    /// @dev Ascending signatures on this batch, each for the seat its signer still sits on.
    function _isValid(bytes32 id, Signed[] memory chosen) private view returns (bool valid) {
        valid = true;
        for (uint256 i = 0; i < chosen.length; ++i) {
            address signer = chosen[i].signer;
            valid = valid && chosen[i].id == id && (i == 0 || signer > chosen[i - 1].signer)
                && _consortium.isOperator(signer) && chosen[i].stay == _stay[signer];
        }
    }

    function _recordVotes(bytes32 id, Signed[] memory chosen) private {
        for (uint256 i = 0; i < chosen.length; ++i) {
            address signer = chosen[i].signer;
            if (_rejectedIn[id][signer] == _stay[signer]) continue;
            _confirmedIn[id][signer] = _stay[signer];
        }
    }

    function _send(Order memory sent, address owner) private returns (bool done) {
        bytes memory call_;
        if (sent.kind == 0) {
            call_ = abi.encodeCall(
                IEnergyConsortium.setMandateBySignature,
                (sent.account, sent.limits, sent.deadline, sent.signature)
            );
        } else if (sent.kind == 1) {
            call_ = abi.encodeCall(
                IEnergyConsortium.revokeMandateBySignature,
                (sent.account, sent.deadline, sent.signature)
            );
        } else {
            call_ = abi.encodeCall(
                IEnergyConsortium.withdrawBySignature,
                (sent.account, sent.amount, owner, sent.deadline, sent.signature)
            );
        }
        (done,) = address(_consortium).call(call_);
    }

    function _contentOf(Order memory made, address owner) private pure returns (bytes32) {
        if (made.kind == 0) {
            bytes memory mandate_ =
                "Mandate(uint32 maxBuyPrice,uint32 minSellPrice,uint32 validUntil,address aggregator,bool openToBuyers)";
            bytes32 limits = keccak256(abi.encode(keccak256(mandate_), made.limits));
            bytes32 kind = keccak256(
                bytes.concat(
                    "MandateChange(uint32 account,Mandate mandate,uint256 nonce,uint40 deadline)",
                    mandate_
                )
            );
            return keccak256(abi.encode(kind, made.account, limits, made.nonce, made.deadline));
        }
        if (made.kind == 1) {
            return keccak256(
                abi.encode(
                    keccak256("MandateRevocation(uint32 account,uint256 nonce,uint40 deadline)"),
                    made.account,
                    made.nonce,
                    made.deadline
                )
            );
        }
        return keccak256(
            abi.encode(
                keccak256(
                    "Withdrawal(uint32 account,uint64 amount,address to,uint256 nonce,uint40 deadline)"
                ),
                made.account,
                made.amount,
                owner,
                made.nonce,
                made.deadline
            )
        );
    }

    function _typed(bytes32 content) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("peercharge EnergyConsortium"),
                keccak256("1"),
                block.chainid,
                address(_consortium)
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, content));
    }

    function _close(Submission storage chosen, bool wrong) private {
        IEnergyConsortium.BatchState state = chosen.state;
        bool refundable = state == IEnergyConsortium.BatchState.Rejected
            || state == IEnergyConsortium.BatchState.Cancelled
            || state == IEnergyConsortium.BatchState.Expired;
        bool settlable = state == IEnergyConsortium.BatchState.Confirmed;
        Trade[] memory trades = chosen.trades;
        if (settlable == wrong) {
            try _consortium.refund(chosen.submitter, chosen.deadline, trades) {
                if (!refundable) violation = "refunded in a wrong state";
                _moveBack(trades);
            } catch {
                if (refundable) violation = "refund failed in its state";
            }
        } else {
            uint32[LOTS] memory beneficiaries = _beneficiaries();
            try _consortium.settle(chosen.submitter, chosen.deadline, trades) {
                if (!settlable) violation = "settled in a wrong state";
                _moveOn(trades, beneficiaries);
            } catch {
                if (settlable) violation = "settle failed in its state";
            }
        }
        _observe();
    }

    function _beneficiaries() private view returns (uint32[LOTS] memory) {
        return [_consortium.spreadAccount(1), _consortium.spreadAccount(2)];
    }

    /// @dev What a token calls in the middle of a transfer: 0 a deposit, 1 a withdrawal, 2 the
    /// settlement or refund of a batch, which moves no tokens and may well succeed.
    function _callBack(uint256 kind, uint256 position) private view returns (bytes memory) {
        if (kind == 0) {
            return abi.encodeCall(IEnergyConsortium.deposit, (TOKENS_ACCOUNT, 1));
        }
        if (kind == 1) {
            return abi.encodeCall(IEnergyConsortium.withdraw, (TOKENS_ACCOUNT, 1, address(_token)));
        }
        Submission storage chosen = _submissions[position];
        return _consortium.stateOf(chosen.id) == IEnergyConsortium.BatchState.Confirmed
            ? abi.encodeCall(
                IEnergyConsortium.settle, (chosen.submitter, chosen.deadline, chosen.trades)
            )
            : abi.encodeCall(
                IEnergyConsortium.refund, (chosen.submitter, chosen.deadline, chosen.trades)
            );
    }

    /// @dev After a batch was closed by the token; `_observe` checks that it was by an arrow.
    function _followClosing(Submission storage chosen, uint32[LOTS] memory beneficiaries) private {
        if (_consortium.stateOf(chosen.id) == IEnergyConsortium.BatchState.Settled) {
            _moveOn(chosen.trades, beneficiaries);
        } else {
            _moveBack(chosen.trades);
        }
    }

    /// @param mayWork Whether the token delivers what was asked.
    function _depositTo(uint32 account, uint64 amount, bool mayWork) private returns (bool done) {
        (done,) = address(_consortium)
            .call(abi.encodeCall(IEnergyConsortium.deposit, (account, amount)));
        if (done && !mayWork) violation = "a deposit counted that did not arrive as asked";
        if (!done && mayWork && !_consortium.paused()) violation = "a deposit failed";
        if (done) {
            deposited += amount;
            _balances[account].free += amount;
        }
    }

    /// @param mayWork Whether the token does not refuse.
    function _withdrawFrom(uint32 account, uint64 amount, bool mayWork)
        private
        returns (bool done)
    {
        bool covered = amount <= _balances[account].free;
        address owner = _owners[account - 1];
        vm.prank(owner);
        (done,) = address(_consortium)
            .call(abi.encodeCall(IEnergyConsortium.withdraw, (account, amount, owner)));
        if (done && !(mayWork && covered)) violation = "a withdrawal counted that must not";
        if (!done && mayWork && covered) violation = "a covered withdrawal failed";
        if (done) {
            withdrawn += amount;
            _balances[account].free -= amount;
        }
    }

    function _moveBack(Trade[] memory trades) private {
        for (uint256 i = 0; i < trades.length; ++i) {
            (uint256 cost,) = _amounts(trades[i]);
            _balances[trades[i].buyer()].locked -= cost;
            _balances[trades[i].buyer()].free += cost;
        }
    }

    function _moveOn(Trade[] memory trades, uint32[LOTS] memory beneficiaries) private {
        for (uint256 i = 0; i < trades.length; ++i) {
            (uint256 cost, uint256 income) = _amounts(trades[i]);
            _balances[trades[i].buyer()].locked -= cost;
            _balances[trades[i].seller()].free += income;
            _balances[beneficiaries[trades[i].lot() - 1]].free += cost - income;
        }
    }

    function _deposit(uint32 account, uint64 amount) private {
        _token.mint(address(this), amount);
        _token.approve(address(_consortium), amount);
        _consortium.deposit(account, amount);
        deposited += amount;
        _balances[account].free += amount;
    }

    function _withdraw(uint32 account, uint64 amount) private {
        bool covered = amount <= _balances[account].free;
        address owner = _consortium.account(account).owner;
        vm.prank(owner);
        try _consortium.withdraw(account, amount, owner) {
            if (!covered) violation = "more was withdrawn than was free";
            withdrawn += amount;
            _balances[account].free -= amount;
        } catch {
            if (covered) violation = "a covered withdrawal failed";
        }
    }

    /// @dev Follows every batch one step and checks that the step is an arrow, and that a
    /// confirmation has its votes.
    function _observe() private {
        // From the end, so that taking one out moves one that has been seen.
        for (uint256 i = _open.length; i > 0; --i) {
            Submission storage seen = _submissions[_open[i - 1]];
            IEnergyConsortium.BatchState now_ = _consortium.stateOf(seen.id);
            if (now_ == seen.state) continue;
            if (!_isArrow(seen.state, now_)) violation = "a state moved along no arrow";
            if (now_ == IEnergyConsortium.BatchState.Confirmed) {
                (uint256 confirmed,) = _count(seen.id);
                if (confirmed < _consortium.quorum()) violation = "confirmed below the quorum";
            }
            if (now_ == IEnergyConsortium.BatchState.Rejected) {
                (, uint256 possible) = _count(seen.id);
                if (possible >= _consortium.quorum()) violation = "rejected above the quorum";
            }
            seen.state = now_;
            ++reached[now_];
            if (_isClosed(now_)) {
                _open[i - 1] = _open[_open.length - 1];
                _open.pop();
            }
        }
    }

    function _count(bytes32 id) private view returns (uint256 confirmed, uint256 possible) {
        for (uint256 i = 0; i < KEYS; ++i) {
            address key = _keys[i];
            if (!_consortium.isOperator(key)) continue;
            if (_confirmedIn[id][key] == _stay[key]) ++confirmed;
            if (_rejectedIn[id][key] != _stay[key]) ++possible;
        }
    }

    function _isArrow(IEnergyConsortium.BatchState from, IEnergyConsortium.BatchState to)
        private
        pure
        returns (bool)
    {
        if (from == IEnergyConsortium.BatchState.Pending) {
            return to == IEnergyConsortium.BatchState.Confirmed
                || to == IEnergyConsortium.BatchState.Rejected
                || to == IEnergyConsortium.BatchState.Cancelled
                || to == IEnergyConsortium.BatchState.Expired;
        }
        if (from == IEnergyConsortium.BatchState.Confirmed) {
            return to == IEnergyConsortium.BatchState.Settled;
        }
        return !_isClosed(from) && to == IEnergyConsortium.BatchState.Refunded;
    }

    function _isClosed(IEnergyConsortium.BatchState state) private pure returns (bool) {
        return state == IEnergyConsortium.BatchState.Settled
            || state == IEnergyConsortium.BatchState.Refunded;
    }

    function _draw(uint256 seed, uint8 size, uint32 energyWh)
        private
        view
        returns (Trade[] memory trades)
    {
        trades = new Trade[](1 + size % 5);
        uint32[] memory next = new uint32[](ACCOUNTS + 1);
        for (uint256 i = 0; i < trades.length; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            uint32 buyer = uint32(1 + dice % ACCOUNTS);
            uint32 seller = uint32(1 + (buyer + (dice >> 8) % (ACCOUNTS - 1)) % ACCOUNTS);
            if (next[buyer] == 0) next[buyer] = _balances[buyer].sequence;
            next[buyer] += uint32(1 + (dice >> 16) % 3);
            uint32 price = uint32(200_000 + (dice >> 24) % 100_000);
            trades[i] = packTrade(
                buyer,
                seller,
                uint32(bound(energyWh, 1000, 40_000)),
                price,
                price - uint32((dice >> 48) % 20_000),
                next[buyer],
                0,
                uint16(1 + (dice >> 64) % LOTS)
            );
        }
    }

    function _soon(uint256 seed) private view returns (uint40) {
        return uint40(block.timestamp + 1 + (seed >> 16) % 1 days);
    }

    function _amounts(Trade trade) private pure returns (uint256 cost, uint256 income) {
        cost = uint256(trade.energyWh()) * trade.buyerPrice() / 1000;
        income = uint256(trade.energyWh()) * trade.sellerPrice() / 1000;
    }

    function _pick(uint256 seed) private view returns (Submission storage) {
        // Mostly among the last ones, where something can still happen.
        uint256 length = _submissions.length;
        uint256 back = seed % 4 == 0 ? seed % length : (seed >> 8) % (length < 4 ? length : 4);
        return _submissions[length - 1 - back];
    }

    function _anyone(uint256 seed) private view returns (address) {
        if (seed % 3 == 0) return _aggregators[(seed >> 8) % 2];
        if (seed % 3 == 1) return _owners[(seed >> 8) % ACCOUNTS];
        return _keys[(seed >> 8) % KEYS];
    }

    /// @dev Mostly the one that most mandates name.
    function _aggregator(uint256 seed) private view returns (address) {
        return _aggregators[seed % 8 == 0 ? 1 : 0];
    }

    function _generousMandate() private view returns (IEnergyConsortium.Mandate memory) {
        return IEnergyConsortium.Mandate({
            maxBuyPrice: 500_000,
            minSellPrice: 0,
            validUntil: uint32(block.timestamp + 30 days),
            aggregator: _aggregators[0],
            openToBuyers: true
        });
    }
}
