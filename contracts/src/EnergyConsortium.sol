// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {AccountWord, LARGEST_AGGREGATOR, LARGEST_BALANCE, NEW_ACCOUNT} from "./AccountWord.sol";
import {IEnergyConsortium} from "./IEnergyConsortium.sol";
import {
    CONFIRMATION_TYPEHASH,
    DOMAIN_NAME,
    DOMAIN_VERSION,
    ENROLLMENT_TYPEHASH,
    MANDATE_CHANGE_TYPEHASH,
    MANDATE_REVOCATION_TYPEHASH,
    MANDATE_TYPEHASH,
    WITHDRAWAL_TYPEHASH
} from "./SignedTypes.sol";
import {Trade} from "./Trade.sol";

/// @title EnergyConsortium
/// @notice See `IEnergyConsortium`, which says what each function does, for whom, and how it fails.
/// @dev Batches are known by their hash. Trades are never stored: whoever settles or refunds a
/// batch hands them in again, and the hash proves them. Money moves between words of an internal
/// ledger; only `deposit` and `withdraw` touch the token.
contract EnergyConsortium is IEnergyConsortium, ReentrancyGuard, EIP712 {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /// @dev What governance sets and each batch reads, in one slot, most significant bits first:
    /// spare 40 | paused 8 | operatorCount 8 | quorum 8 | largestSpread 32 | highest 32 | lowest 32
    /// | seats 96
    struct Settings {
        uint96 seats;
        uint32 lowest;
        uint32 highest;
        uint32 largestSpread;
        uint8 quorum;
        uint8 operatorCount;
        bool paused;
    }

    /// @dev One slot: spare 56 | vacatedAt 40 | operator 160. An empty seat has no operator;
    /// `vacatedAt` is zero while nobody has left it.
    struct Seat {
        address operator;
        uint40 vacatedAt;
    }

    /// @dev What is known of an operator's key. `seatPlusOne` is zero while it has no seat. Bit s
    /// of `held` is set once it has held seat s: it never gets that seat again, so that signatures
    /// it gave before it left stay void.
    struct Keyholder {
        uint8 seatPlusOne;
        uint96 held;
    }

    /// @dev One slot: spare 216 | admitted 8 | account 32. The account stays when the lot is
    /// removed, because trades submitted before still have to pay someone.
    struct Lot {
        uint32 account;
        bool admitted;
    }

    /// @dev One slot: spare 232 | admitted 8 | number 16. The number stays, so that a mandate can
    /// name it in 14 bits.
    struct Aggregator {
        uint16 number;
        bool admitted;
    }

    /// @dev Slot 0: spare 96 | owner 160. Slot 1: tag 256.
    struct Identity {
        address owner;
        bytes32 tag;
    }

    /// @dev What the loop over a batch's trades needs besides them, read once.
    struct Rules {
        uint256 lowest;
        uint256 highest;
        uint256 largestSpread;
        /// The submitter's number as an aggregator, or NO_AGGREGATOR.
        uint256 aggregator;
        /// The lot that was found admitted last, or NO_LOT.
        uint256 lot;
    }

    /// @dev The spread that was not yet credited, and to which lot it belongs.
    struct Spread {
        uint256 lot;
        uint256 open;
        uint256 total;
    }

    /// @inheritdoc IEnergyConsortium
    /// @dev With as many different buyers, sellers and lots as trades, the costliest calls of this
    /// size stay below the 16,777,216 gas that EIP-7825 allows a transaction; a test measures them.
    uint256 public constant MAX_TRADES = 512;

    /// @inheritdoc IEnergyConsortium
    uint256 public constant MAX_LIFETIME = 1 days;

    /// @inheritdoc IEnergyConsortium
    uint256 public constant MAX_SEQUENCE_STEP = 65_536;

    /// @inheritdoc IEnergyConsortium
    uint256 public constant MAX_REASON_LENGTH = 256;

    /// @inheritdoc IEnergyConsortium
    uint64 public constant MAX_DEPOSITS = LARGEST_BALANCE;

    /// @inheritdoc IEnergyConsortium
    uint8 public constant MAX_SEATS = 96;

    /// @dev Decimals of a token whose smallest unit is a micro-euro.
    uint8 private constant TOKEN_DECIMALS = 6;

    /// @dev No account's 14 bits can hold this number.
    uint256 private constant NO_AGGREGATOR = LARGEST_AGGREGATOR + 1;

    /// @dev No trade's 16 bits can hold this lot.
    uint256 private constant NO_LOT = 2 ** 16;

    /// @dev No trade's 32 bits can hold this account.
    uint256 private constant NO_ACCOUNT = 2 ** 32;

    /// @dev Sets of states as `BatchUnexpectedState` reports them.
    uint256 private constant IN_NONE = 1 << uint256(BatchState.None);
    uint256 private constant IN_PENDING = 1 << uint256(BatchState.Pending);
    uint256 private constant IN_CONFIRMED = 1 << uint256(BatchState.Confirmed);
    uint256 private constant IN_REFUNDABLE = (1 << uint256(BatchState.Rejected))
        | (1 << uint256(BatchState.Cancelled)) | (1 << uint256(BatchState.Expired));

    /// @inheritdoc IEnergyConsortium
    IERC20 public immutable token;

    /// @inheritdoc IEnergyConsortium
    address public authority;

    /// @inheritdoc IEnergyConsortium
    address public pendingAuthority;

    Settings private _settings;

    /// @inheritdoc IEnergyConsortium
    uint64 public trackedDeposits;

    /// @inheritdoc IEnergyConsortium
    uint32 public accountCount;

    uint16 private _aggregatorCount;

    Seat[MAX_SEATS] private _seats;

    /// @dev One slot: spare 152 | held 96 | seatPlusOne 8
    mapping(address operator => Keyholder) private _keyholders;

    mapping(uint16 lot => Lot) private _lots;

    mapping(address aggregator => Aggregator) private _aggregators;

    mapping(uint256 number => address aggregator) private _aggregatorAt;

    mapping(uint32 account => Identity) private _identities;

    /// @inheritdoc IEnergyConsortium
    mapping(address owner => uint256) public nonces;

    /// @dev One slot each: rejections 96 | confirmations 96 | deadline 40 | size 16 | state 8
    mapping(bytes32 batchId => Batch) private _batches;

    /// @dev An array as long as account numbers reach, because its slots are found by addition
    /// where a mapping would hash: about 80 gas less for each access, four accesses a trade.
    AccountWord[2 ** 32] private _accounts;

    modifier onlyAuthority() {
        if (msg.sender != authority) revert AuthorityOnly(msg.sender, authority);
        _;
    }

    modifier onlyOwnerOf(uint32 account_) {
        address owner = _ownerOf(account_);
        if (msg.sender != owner) revert AccountOwnerOnly(account_, msg.sender, owner);
        _;
    }

    modifier whenNotPaused() {
        if (_settings.paused) revert ConsortiumPaused();
        _;
    }

    /// @param token_ Settlement token with 6 decimals; not rebasing, without fee on transfer.
    /// @param authority_ Who governs the consortium.
    /// @param operators_ The first operators, given seats 0, 1, ... in this order.
    /// @param quorum_ How many of them must confirm a batch.
    /// @param lowest Lowest price of a trade, micro-euro per kWh.
    /// @param highest Highest price of a trade, micro-euro per kWh.
    /// @param spread Largest difference between a trade's two prices, micro-euro per kWh.
    constructor(
        IERC20 token_,
        address authority_,
        address[] memory operators_,
        uint8 quorum_,
        uint32 lowest,
        uint32 highest,
        uint32 spread
    ) EIP712(DOMAIN_NAME, DOMAIN_VERSION) {
        if (address(token_).code.length == 0) {
            revert TokenInvalid(address(token_), 0, TOKEN_DECIMALS);
        }
        uint8 decimals = IERC20Metadata(address(token_)).decimals();
        if (decimals != TOKEN_DECIMALS) {
            revert TokenInvalid(address(token_), decimals, TOKEN_DECIMALS);
        }
        if (authority_ == address(0)) revert AuthorityInvalid(authority_);

        token = token_;
        authority = authority_;
        emit AuthorityTransferred(address(0), authority_);
        for (uint256 i = 0; i < operators_.length; ++i) {
            uint8 seat = _takeSeat(operators_[i]);
            emit OperatorAdded(operators_[i], seat);
        }
        _setQuorum(quorum_);
        _setPriceBand(lowest, highest);
        _setLargestSpread(spread);
    }

    // ------------------------------------------------------------------------------ governance

    /// @inheritdoc IEnergyConsortium
    function proposeAuthority(address proposed) external onlyAuthority {
        pendingAuthority = proposed;
        emit AuthorityProposed(msg.sender, proposed);
    }

    /// @inheritdoc IEnergyConsortium
    function acceptAuthority() external {
        if (msg.sender != pendingAuthority) {
            revert PendingAuthorityOnly(msg.sender, pendingAuthority);
        }
        address previous = authority;
        authority = msg.sender;
        pendingAuthority = address(0);
        emit AuthorityTransferred(previous, msg.sender);
    }

    /// @inheritdoc IEnergyConsortium
    function addOperator(address operator) external onlyAuthority returns (uint8 seat) {
        seat = _takeSeat(operator);
        emit OperatorAdded(operator, seat);
    }

    /// @inheritdoc IEnergyConsortium
    function removeOperator(address operator) external onlyAuthority {
        uint8 seat = _leaveSeat(operator);
        if (_settings.operatorCount < _settings.quorum) {
            revert QuorumOutOfRange(_settings.quorum, _settings.operatorCount);
        }
        emit OperatorRemoved(operator, seat);
    }

    /// @inheritdoc IEnergyConsortium
    /// @dev The number of operators is the same before and after, so the quorum needs no check.
    function rotateOperator(address from, address to) external onlyAuthority returns (uint8 seat) {
        uint8 oldSeat = _leaveSeat(from);
        seat = _takeSeat(to);
        emit OperatorRotated(from, to, oldSeat, seat);
    }

    /// @inheritdoc IEnergyConsortium
    function setQuorum(uint8 quorum_) external onlyAuthority {
        _setQuorum(quorum_);
    }

    /// @inheritdoc IEnergyConsortium
    function setPriceBand(uint32 lowest, uint32 highest) external onlyAuthority {
        _setPriceBand(lowest, highest);
    }

    /// @inheritdoc IEnergyConsortium
    function setLargestSpread(uint32 spread) external onlyAuthority {
        _setLargestSpread(spread);
    }

    /// @inheritdoc IEnergyConsortium
    function setLot(uint16 lot, uint32 account_) external onlyAuthority {
        if (account_ == 0) {
            _lots[lot].admitted = false;
        } else {
            if (!_accounts[account_].registered()) revert AccountUnknown(account_);
            _lots[lot] = Lot({account: account_, admitted: true});
        }
        emit LotSet(lot, account_);
    }

    /// @inheritdoc IEnergyConsortium
    function setAggregator(address aggregator, bool admitted) external onlyAuthority {
        if (aggregator == address(0)) revert AggregatorInvalid(aggregator);
        Aggregator storage entry = _aggregators[aggregator];
        if (admitted && entry.number == 0) {
            if (_aggregatorCount == LARGEST_AGGREGATOR) {
                revert AggregatorsExhausted(LARGEST_AGGREGATOR);
            }
            uint16 number = ++_aggregatorCount;
            entry.number = number;
            _aggregatorAt[number] = aggregator;
        }
        entry.admitted = admitted;
        emit AggregatorSet(aggregator, admitted);
    }

    /// @inheritdoc IEnergyConsortium
    function pause() external onlyAuthority whenNotPaused {
        _settings.paused = true;
        emit Paused(msg.sender);
    }

    /// @inheritdoc IEnergyConsortium
    function unpause() external onlyAuthority {
        if (!_settings.paused) revert ConsortiumNotPaused();
        _settings.paused = false;
        emit Unpaused(msg.sender);
    }

    // -------------------------------------------------------------------------------- accounts

    /// @inheritdoc IEnergyConsortium
    function register(bytes32 tag) external returns (uint32 account_) {
        return _register(msg.sender, tag);
    }

    /// @inheritdoc IEnergyConsortium
    function enroll(
        address owner,
        bytes32 tag,
        Mandate calldata mandate,
        uint40 deadline,
        bytes calldata signature
    ) external whenNotPaused returns (uint32 account_) {
        uint256 nonce = _useNonce(owner);
        bytes32 content = keccak256(
            abi.encode(ENROLLMENT_TYPEHASH, owner, tag, _hashMandate(mandate), nonce, deadline)
        );
        _checkSignature(owner, nonce, deadline, content, signature);
        account_ = _register(owner, tag);
        _setMandate(account_, mandate);
    }

    /// @inheritdoc IEnergyConsortium
    function setMandate(uint32 account_, Mandate calldata mandate)
        external
        whenNotPaused
        onlyOwnerOf(account_)
    {
        _useNonce(msg.sender);
        _setMandate(account_, mandate);
    }

    /// @inheritdoc IEnergyConsortium
    function setMandateBySignature(
        uint32 account_,
        Mandate calldata mandate,
        uint40 deadline,
        bytes calldata signature
    ) external whenNotPaused {
        address owner = _ownerOf(account_);
        uint256 nonce = _useNonce(owner);
        bytes32 content = keccak256(
            abi.encode(MANDATE_CHANGE_TYPEHASH, account_, _hashMandate(mandate), nonce, deadline)
        );
        _checkSignature(owner, nonce, deadline, content, signature);
        _setMandate(account_, mandate);
    }

    /// @inheritdoc IEnergyConsortium
    function revokeMandate(uint32 account_) external onlyOwnerOf(account_) {
        _useNonce(msg.sender);
        _revokeMandate(account_);
    }

    /// @inheritdoc IEnergyConsortium
    function revokeMandateBySignature(uint32 account_, uint40 deadline, bytes calldata signature)
        external
    {
        address owner = _ownerOf(account_);
        uint256 nonce = _useNonce(owner);
        bytes32 content =
            keccak256(abi.encode(MANDATE_REVOCATION_TYPEHASH, account_, nonce, deadline));
        _checkSignature(owner, nonce, deadline, content, signature);
        _revokeMandate(account_);
    }

    /// @inheritdoc IEnergyConsortium
    /// @dev The ledger is credited first and the receipt measured last; a token that delivers less,
    /// or re-enters to make it look right, undoes the whole call.
    function deposit(uint32 account_, uint64 amount) external whenNotPaused nonReentrant {
        AccountWord word = _accounts[account_];
        if (!word.registered()) revert AccountUnknown(account_);
        if (amount == 0) revert AmountZero(account_);
        uint64 tracked = trackedDeposits;
        if (amount > MAX_DEPOSITS - tracked) {
            revert DepositTooLarge(tracked, amount, MAX_DEPOSITS);
        }

        trackedDeposits = tracked + amount;
        _accounts[account_] = word.credit(amount);
        emit Deposited(account_, msg.sender, amount);

        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 held = token.balanceOf(address(this));
        if (held < before || held - before != amount) {
            revert DepositMismatch(held < before ? 0 : held - before, amount);
        }
    }

    /// @inheritdoc IEnergyConsortium
    function withdraw(uint32 account_, uint64 amount, address to)
        external
        nonReentrant
        onlyOwnerOf(account_)
    {
        _withdraw(account_, amount, to);
    }

    /// @inheritdoc IEnergyConsortium
    function withdrawBySignature(
        uint32 account_,
        uint64 amount,
        address to,
        uint40 deadline,
        bytes calldata signature
    ) external nonReentrant {
        address owner = _ownerOf(account_);
        uint256 nonce = _useNonce(owner);
        bytes32 content =
            keccak256(abi.encode(WITHDRAWAL_TYPEHASH, account_, amount, to, nonce, deadline));
        _checkSignature(owner, nonce, deadline, content, signature);
        _withdraw(account_, amount, to);
    }

    // --------------------------------------------------------------------------------- batches

    /// @inheritdoc IEnergyConsortium
    function submit(Trade[] calldata trades, uint40 deadline)
        external
        whenNotPaused
        returns (bytes32 batchId)
    {
        (batchId,) = _submit(trades, deadline);
    }

    /// @inheritdoc IEnergyConsortium
    function submitWithSignatures(
        Trade[] calldata trades,
        uint40 deadline,
        SeatSignature[] calldata signatures
    ) external whenNotPaused returns (bytes32 batchId) {
        Batch storage entry;
        (batchId, entry) = _submit(trades, deadline);
        _confirmAll(batchId, entry, signatures);
    }

    /// @inheritdoc IEnergyConsortium
    function confirm(bytes32 batchId) external {
        (Batch storage entry, uint8 seat, uint96 vote) = _ballot(batchId);
        entry.confirmations |= vote;
        emit BatchConfirmedBy(batchId, msg.sender, seat);
        _decide(batchId, entry);
    }

    /// @inheritdoc IEnergyConsortium
    function confirmWithSignatures(bytes32 batchId, SeatSignature[] calldata signatures) external {
        Batch storage entry = _batches[batchId];
        _expect(batchId, entry, IN_PENDING);
        _confirmAll(batchId, entry, signatures);
    }

    /// @inheritdoc IEnergyConsortium
    function reject(bytes32 batchId, string calldata reason) external {
        if (bytes(reason).length > MAX_REASON_LENGTH) {
            revert BatchReasonTooLong(bytes(reason).length, MAX_REASON_LENGTH);
        }
        (Batch storage entry, uint8 seat, uint96 vote) = _ballot(batchId);
        entry.rejections |= vote;
        emit BatchRejectedBy(batchId, msg.sender, seat, reason);
        _decide(batchId, entry);
    }

    /// @inheritdoc IEnergyConsortium
    function cancel(bytes32 batchId, bytes32 tradesHash) external {
        Batch storage entry = _transition(batchId, IN_PENDING, BatchState.Cancelled);
        if (_batchId(msg.sender, entry.deadline, tradesHash) != batchId) {
            revert BatchSubmitterOnly(batchId, msg.sender, tradesHash);
        }
        emit BatchCancelled(batchId);
    }

    /// @inheritdoc IEnergyConsortium
    function finalize(bytes32 batchId) external {
        Batch storage entry = _batches[batchId];
        _expect(batchId, entry, IN_PENDING);
        if (!_decide(batchId, entry)) {
            (uint256 confirmed, uint256 possible, uint256 needed) = _tally(entry);
            revert BatchUndecided(batchId, confirmed, possible, needed);
        }
    }

    /// @inheritdoc IEnergyConsortium
    function settle(address submitter, uint40 deadline, Trade[] calldata trades) external {
        bytes32 batchId = _batchId(submitter, deadline, _hash(trades));
        _transition(batchId, IN_CONFIRMED, BatchState.Settled);
        (uint256 paid, uint256 spread) = _pay(trades);
        emit BatchSettled(batchId, paid.toUint64(), spread.toUint64());
    }

    /// @inheritdoc IEnergyConsortium
    function refund(address submitter, uint40 deadline, Trade[] calldata trades) external {
        bytes32 batchId = _batchId(submitter, deadline, _hash(trades));
        _transition(batchId, IN_REFUNDABLE, BatchState.Refunded);
        emit BatchRefunded(batchId, _unlockCosts(trades).toUint64());
    }

    // ----------------------------------------------------------------------------------- views

    /// @inheritdoc IEnergyConsortium
    function paused() external view returns (bool) {
        return _settings.paused;
    }

    /// @inheritdoc IEnergyConsortium
    function quorum() external view returns (uint8) {
        return _settings.quorum;
    }

    /// @inheritdoc IEnergyConsortium
    function operatorCount() external view returns (uint8) {
        return _settings.operatorCount;
    }

    /// @inheritdoc IEnergyConsortium
    function operators() external view returns (Operator[] memory list) {
        list = new Operator[](_settings.operatorCount);
        uint256 found = 0;
        for (uint8 seat = 0; seat < MAX_SEATS; ++seat) {
            address operator = _seats[seat].operator;
            if (operator == address(0)) continue;
            list[found] = Operator({operator: operator, seat: seat});
            ++found;
        }
    }

    /// @inheritdoc IEnergyConsortium
    function isOperator(address operator) external view returns (bool) {
        return _keyholders[operator].seatPlusOne != 0;
    }

    /// @inheritdoc IEnergyConsortium
    function seatOf(address operator) external view returns (uint8) {
        return _seatOf(operator);
    }

    /// @inheritdoc IEnergyConsortium
    function currentSeats() external view returns (uint96) {
        return _settings.seats;
    }

    /// @inheritdoc IEnergyConsortium
    function priceBand() external view returns (uint32 lowest, uint32 highest) {
        return (_settings.lowest, _settings.highest);
    }

    /// @inheritdoc IEnergyConsortium
    function largestSpread() external view returns (uint32) {
        return _settings.largestSpread;
    }

    /// @inheritdoc IEnergyConsortium
    function lotAccount(uint16 lot) external view returns (uint32) {
        return _lots[lot].admitted ? _lots[lot].account : 0;
    }

    /// @inheritdoc IEnergyConsortium
    function spreadAccount(uint16 lot) external view returns (uint32) {
        return _lots[lot].account;
    }

    /// @inheritdoc IEnergyConsortium
    function isAggregator(address aggregator) external view returns (bool) {
        return _aggregators[aggregator].admitted;
    }

    /// @inheritdoc IEnergyConsortium
    function account(uint32 account_) external view returns (Account memory) {
        AccountWord word = _accounts[account_];
        return Account({
            owner: _identities[account_].owner,
            free: word.free().toUint64(),
            locked: word.locked().toUint64(),
            sequence: word.sequence(),
            tag: _identities[account_].tag,
            mandate: _mandate(word)
        });
    }

    /// @inheritdoc IEnergyConsortium
    function tagOf(uint32 account_) external view returns (bytes32) {
        return _identities[account_].tag;
    }

    /// @inheritdoc IEnergyConsortium
    function mandateOf(uint32 account_) external view returns (Mandate memory) {
        return _mandate(_accounts[account_]);
    }

    /// @inheritdoc IEnergyConsortium
    function batch(bytes32 batchId) external view returns (Batch memory entry) {
        entry = _batches[batchId];
        entry.state = _state(_batches[batchId]);
    }

    /// @inheritdoc IEnergyConsortium
    function stateOf(bytes32 batchId) external view returns (BatchState) {
        return _state(_batches[batchId]);
    }

    /// @inheritdoc IEnergyConsortium
    function batchIdOf(address submitter, uint40 deadline, Trade[] calldata trades)
        external
        view
        returns (bytes32)
    {
        return _batchId(submitter, deadline, _hash(trades));
    }

    /// @inheritdoc IEnergyConsortium
    function amountsOf(Trade trade)
        external
        pure
        returns (uint64 cost, uint64 income, uint64 spread)
    {
        cost = trade.buyerCost().toUint64();
        income = trade.sellerIncome().toUint64();
        if (income > cost) revert TradePricesCrossed(0, trade.buyerPrice(), trade.sellerPrice());
        spread = cost - income;
    }

    // ---------------------------------------------------------------------- seats and settings

    /// @dev Gives the operator the lowest seat that nobody holds and whose old votes are all dead:
    /// a batch submitted before the seat was vacated has a deadline at most MAX_LIFETIME after
    /// that. A seat that the same key has held is passed over: signatures it gave for it, perhaps
    /// on batches not yet submitted, must not come back to life.
    function _takeSeat(address operator) private returns (uint8 seat) {
        if (operator == address(0)) revert OperatorInvalid(operator);
        Keyholder memory key = _keyholders[operator];
        if (key.seatPlusOne != 0) revert OperatorSeated(operator, _seatOf(operator));

        uint256 availableFrom = 0;
        for (seat = 0; seat < MAX_SEATS; ++seat) {
            Seat memory place = _seats[seat];
            if (place.operator != address(0) || (key.held >> seat) & 1 != 0) continue;
            uint256 from = place.vacatedAt == 0 ? 0 : place.vacatedAt + MAX_LIFETIME + 1;
            if (block.timestamp >= from) {
                _seats[seat].operator = operator;
                _keyholders[operator] =
                    Keyholder({seatPlusOne: seat + 1, held: key.held | (uint96(1) << seat)});
                _settings.seats |= uint96(1) << seat;
                ++_settings.operatorCount;
                return seat;
            }
            if (availableFrom == 0 || from < availableFrom) availableFrom = from;
        }
        revert SeatsExhausted(availableFrom);
    }

    /// @dev The caller looks after the quorum.
    function _leaveSeat(address operator) private returns (uint8 seat) {
        seat = _seatOf(operator);
        _seats[seat] = Seat({operator: address(0), vacatedAt: block.timestamp.toUint40()});
        _keyholders[operator].seatPlusOne = 0;
        _settings.seats &= ~(uint96(1) << seat);
        --_settings.operatorCount;
    }

    function _setQuorum(uint8 quorum_) private {
        if (quorum_ == 0 || quorum_ > _settings.operatorCount) {
            revert QuorumOutOfRange(quorum_, _settings.operatorCount);
        }
        _settings.quorum = quorum_;
        emit QuorumSet(quorum_);
    }

    function _setPriceBand(uint32 lowest, uint32 highest) private {
        if (lowest > highest) revert PriceBandInvalid(lowest, highest);
        _settings.lowest = lowest;
        _settings.highest = highest;
        emit PriceBandSet(lowest, highest);
    }

    function _setLargestSpread(uint32 spread) private {
        _settings.largestSpread = spread;
        emit LargestSpreadSet(spread);
    }

    function _seatOf(address operator) private view returns (uint8) {
        uint8 seatPlusOne = _keyholders[operator].seatPlusOne;
        if (seatPlusOne == 0) revert OperatorUnknown(operator);
        return seatPlusOne - 1;
    }

    // ------------------------------------------------------------------- accounts and signatures

    function _ownerOf(uint32 account_) private view returns (address owner) {
        owner = _identities[account_].owner;
        if (owner == address(0)) revert AccountUnknown(account_);
    }

    function _register(address owner, bytes32 tag) private returns (uint32 account_) {
        if (accountCount == type(uint32).max) revert AccountsExhausted(type(uint32).max);
        account_ = ++accountCount;
        _accounts[account_] = NEW_ACCOUNT;
        _identities[account_] = Identity({owner: owner, tag: tag});
        emit AccountRegistered(account_, owner, tag);
    }

    function _setMandate(uint32 account_, Mandate calldata mandate) private {
        if (mandate.validUntil < block.timestamp) {
            revert MandateExpired(account_, mandate.validUntil, block.timestamp);
        }
        Aggregator memory named = _aggregators[mandate.aggregator];
        if (mandate.aggregator != address(0) && !named.admitted) {
            revert AggregatorInvalid(mandate.aggregator);
        }
        _accounts[account_] = _accounts[account_].withMandate(
            mandate.maxBuyPrice,
            mandate.minSellPrice,
            mandate.validUntil,
            named.number,
            mandate.openToBuyers
        );
        emit MandateSet(
            account_,
            mandate.aggregator,
            mandate.maxBuyPrice,
            mandate.minSellPrice,
            mandate.validUntil,
            mandate.openToBuyers
        );
    }

    function _revokeMandate(uint32 account_) private {
        _accounts[account_] = _accounts[account_].withoutMandate();
        emit MandateRevoked(account_);
    }

    function _withdraw(uint32 account_, uint64 amount, address to) private {
        if (to == address(0) || to == address(this)) revert RecipientInvalid(to);
        if (amount == 0) revert AmountZero(account_);
        AccountWord word = _accounts[account_];
        if (amount > word.free()) {
            revert AccountBalanceTooLow(account_, word.free().toUint64(), amount);
        }

        // amount <= free <= trackedDeposits.
        trackedDeposits -= amount;
        _accounts[account_] = word.debit(amount);
        emit Withdrawn(account_, to, amount);

        token.safeTransfer(to, amount);
    }

    /// @dev Every signature over this nonce is void from here on, whether or not it was used.
    function _useNonce(address owner) private returns (uint256 nonce) {
        nonce = nonces[owner]++;
        emit NonceUsed(owner, nonce);
    }

    /// @dev The nonce is used before the owner's contract, if it is one, is asked.
    function _checkSignature(
        address owner,
        uint256 nonce,
        uint40 deadline,
        bytes32 content,
        bytes calldata signature
    ) private view {
        if (block.timestamp > deadline) {
            revert SignatureExpired(owner, deadline, block.timestamp);
        }
        bytes32 digest = _hashTypedDataV4(content);
        if (!SignatureChecker.isValidSignatureNow(owner, digest, signature)) {
            revert SignatureInvalid(owner, nonce);
        }
    }

    function _hashMandate(Mandate calldata mandate) private pure returns (bytes32) {
        return keccak256(abi.encode(MANDATE_TYPEHASH, mandate));
    }

    // ----------------------------------------------------------------------- states and voting

    function _submit(Trade[] calldata trades, uint40 deadline)
        private
        returns (bytes32 batchId, Batch storage entry)
    {
        if (trades.length == 0 || trades.length > MAX_TRADES) {
            revert BatchSizeOutOfRange(trades.length, MAX_TRADES);
        }
        if (deadline <= block.timestamp || deadline > block.timestamp + MAX_LIFETIME) {
            revert BatchDeadlineOutOfRange(
                deadline, block.timestamp + 1, block.timestamp + MAX_LIFETIME
            );
        }
        batchId = _batchId(msg.sender, deadline, _hash(trades));
        entry = _transition(batchId, IN_NONE, BatchState.Pending);
        entry.size = trades.length.toUint16();
        entry.deadline = deadline;
        uint256 locked = _lockCosts(trades);
        emit BatchSubmitted(batchId, msg.sender, deadline, locked.toUint64(), _words(trades));
    }

    /// @dev Binds chain, contract, submitter, deadline and every trade, so that a vote can mean no
    /// other batch and nobody can occupy the id of someone else's.
    function _batchId(address submitter, uint40 deadline, bytes32 tradesHash)
        private
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(block.chainid, address(this), submitter, deadline, tradesHash));
    }

    /// @dev The same words in the same call data under their plain type, which the compiler copies
    /// in one step where it would loop over a user-defined one: about 180 gas less a trade.
    function _words(Trade[] calldata trades) private pure returns (uint256[] calldata words) {
        assembly ("memory-safe") {
            words.offset := trades.offset
            words.length := trades.length
        }
    }

    function _hash(Trade[] calldata trades) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(_words(trades)));
    }

    function _state(Batch storage entry) private view returns (BatchState state) {
        state = entry.state;
        if (state == BatchState.Pending && block.timestamp > entry.deadline) {
            state = BatchState.Expired;
        }
    }

    function _expect(bytes32 batchId, Batch storage entry, uint256 accepted) private view {
        BatchState state = _state(entry);
        if ((accepted >> uint256(state)) & 1 == 0) {
            revert BatchUnexpectedState(batchId, state, accepted);
        }
    }

    /// @dev Every change of a batch's state, and the only place that writes one.
    function _transition(bytes32 batchId, uint256 accepted, BatchState to)
        private
        returns (Batch storage entry)
    {
        entry = _batches[batchId];
        _expect(batchId, entry, accepted);
        entry.state = to;
    }

    /// @dev The caller's seat and the bit of its vote, after every check that a vote has to pass.
    function _ballot(bytes32 batchId)
        private
        view
        returns (Batch storage entry, uint8 seat, uint96 vote)
    {
        seat = _seatOf(msg.sender);
        entry = _batches[batchId];
        _expect(batchId, entry, IN_PENDING);
        vote = uint96(1) << seat;
        if ((entry.confirmations | entry.rejections) & vote != 0) {
            revert BatchAlreadyVoted(batchId, msg.sender, seat, entry.confirmations & vote != 0);
        }
    }

    /// @dev Records the votes of a pending batch's signers. Strictly ascending signers are
    /// different ones and none is zero, which is what a signature recovers to that is malformed or
    /// has the larger of its two possible values of s. A seat that has voted is passed over.
    function _confirmAll(bytes32 batchId, Batch storage entry, SeatSignature[] calldata signatures)
        private
    {
        if (signatures.length == 0) revert ConfirmationsMissing(batchId);
        uint256 voted = entry.confirmations | entry.rejections;
        uint256 votes = 0;
        address previous = address(0);
        for (uint256 i = 0; i < signatures.length; ++i) {
            uint8 seat = signatures[i].seat;
            address signer = _signerOf(batchId, signatures[i]);
            if (signer <= previous) {
                revert ConfirmationsUnsorted(i, seat, signer, previous);
            }
            previous = signer;
            address holder = seat < MAX_SEATS ? _seats[seat].operator : address(0);
            if (signer != holder) revert ConfirmationSignerInvalid(i, seat, signer, holder);
            if ((voted >> seat) & 1 != 0) continue;
            votes |= 1 << seat;
            emit BatchConfirmedBy(batchId, signer, seat);
        }
        // Only bits below MAX_SEATS are set.
        entry.confirmations |= uint96(votes);
        _decide(batchId, entry);
    }

    /// @dev Who signed a confirmation; zero for a signature that none could have made.
    function _signerOf(bytes32 batchId, SeatSignature calldata signature)
        private
        view
        returns (address signer)
    {
        bytes32 content = keccak256(abi.encode(CONFIRMATION_TYPEHASH, batchId, signature.seat));
        (signer,,) = ECDSA.tryRecover(_hashTypedDataV4(content), signature.r, signature.vs);
    }

    /// @dev Pending -> Confirmed or Rejected when the votes of current seats decide it. Both cannot
    /// hold: a seat that confirmed has not rejected, so `confirmed <= possible`.
    function _decide(bytes32 batchId, Batch storage entry) private returns (bool decided) {
        (uint256 confirmed, uint256 possible, uint256 needed) = _tally(entry);
        if (confirmed >= needed) {
            _transition(batchId, IN_PENDING, BatchState.Confirmed);
            emit BatchConfirmed(batchId);
            return true;
        }
        if (possible < needed) {
            _transition(batchId, IN_PENDING, BatchState.Rejected);
            emit BatchRejected(batchId);
            return true;
        }
    }

    /// @return confirmed How many current seats confirmed.
    /// @return possible How many current seats did or still may.
    /// @return needed The quorum.
    function _tally(Batch storage entry)
        private
        view
        returns (uint256 confirmed, uint256 possible, uint256 needed)
    {
        uint96 seats = _settings.seats;
        confirmed = _count(entry.confirmations & seats);
        possible = _count(seats & ~entry.rejections);
        needed = _settings.quorum;
    }

    /// @dev Number of set bits; each round clears the lowest one, so at most MAX_SEATS rounds.
    function _count(uint256 bits) private pure returns (uint256 count) {
        unchecked {
            // bits > 0 inside the loop; count is at most 256.
            for (; bits != 0; ++count) {
                bits &= bits - 1;
            }
        }
    }

    // ---------------------------------------------------------------------------------- ledger

    /// @dev Checks every trade and moves its cost from free to locked. The buyer's word is kept at
    /// hand and written when the buyer changes; of sellers only the mandate is read, which no trade
    /// alters.
    /// @return total What was locked. At most MAX_TRADES * 2^55, so no sum in here overflows.
    function _lockCosts(Trade[] calldata trades) private returns (uint256 total) {
        Rules memory rules = _rules();
        uint256 buyer = NO_ACCOUNT;
        AccountWord word = AccountWord.wrap(0);
        for (uint256 i = 0; i < trades.length; ++i) {
            Trade trade = trades[i];
            if (trade.spare() != 0) revert TradeSpareNotZero(i, trade.spare());
            if (trade.buyer() != buyer) {
                if (buyer != NO_ACCOUNT) _accounts[buyer] = word;
                buyer = trade.buyer();
                word = _accounts[buyer];
                _checkBuyer(i, trade, word, rules);
            }
            _checkSeller(i, trade, rules);
            uint256 cost = _checkTerms(i, trade, word, rules);
            if (cost > word.free()) {
                revert TradeBuyerBalanceTooLow(
                    i, trade.buyer(), word.free().toUint64(), cost.toUint64()
                );
            }
            word = word.lock(cost).withSequence(trade.sequence());
            unchecked {
                total += cost;
            }
        }
        _accounts[buyer] = word;
    }

    function _rules() private view returns (Rules memory) {
        Aggregator memory submitter = _aggregators[msg.sender];
        return Rules({
            lowest: _settings.lowest,
            highest: _settings.highest,
            largestSpread: _settings.largestSpread,
            aggregator: submitter.admitted ? submitter.number : NO_AGGREGATOR,
            lot: NO_LOT
        });
    }

    function _checkBuyer(uint256 index, Trade trade, AccountWord word, Rules memory rules)
        private
        view
    {
        uint32 buyer = trade.buyer();
        if (word.validUntil() < block.timestamp) _refuseParty(index, buyer, word);
        if (word.aggregatorNumber() != rules.aggregator && _identities[buyer].owner != msg.sender)
        {
            revert TradeSubmitterNotAllowed(index, buyer, msg.sender);
        }
    }

    function _checkSeller(uint256 index, Trade trade, Rules memory rules) private view {
        uint32 seller = trade.seller();
        AccountWord word = _accounts[seller];
        if (word.validUntil() < block.timestamp) _refuseParty(index, seller, word);
        if (seller == trade.buyer()) revert TradePartiesEqual(index, seller);
        if (
            word.aggregatorNumber() != rules.aggregator
                && !(word.openToBuyers() && _identities[trade.buyer()].owner == msg.sender)
        ) {
            revert TradeSubmitterNotAllowed(index, seller, msg.sender);
        }
        if (trade.sellerPrice() < word.minSellPrice()) {
            revert TradeSellerPriceTooLow(index, seller, trade.sellerPrice(), word.minSellPrice());
        }
    }

    function _checkTerms(uint256 index, Trade trade, AccountWord buyer, Rules memory rules)
        private
        view
        returns (uint256 cost)
    {
        uint256 buyerPrice = trade.buyerPrice();
        uint256 sellerPrice = trade.sellerPrice();
        if (buyerPrice > buyer.maxBuyPrice()) {
            revert TradeBuyerPriceTooHigh(
                index, trade.buyer(), trade.buyerPrice(), buyer.maxBuyPrice()
            );
        }
        if (trade.lot() != rules.lot) {
            if (!_lots[trade.lot()].admitted) revert TradeLotUnknown(index, trade.lot());
            rules.lot = trade.lot();
        }
        if (trade.energyWh() == 0) revert TradeEnergyZero(index);
        cost = trade.buyerCost();
        if (cost == 0) revert TradeCostZero(index, trade.energyWh(), trade.buyerPrice());
        if (sellerPrice > buyerPrice) {
            revert TradePricesCrossed(index, trade.buyerPrice(), trade.sellerPrice());
        }
        if (buyerPrice > rules.highest || sellerPrice < rules.lowest) {
            revert TradePriceOutOfBand(
                index,
                buyerPrice > rules.highest ? trade.buyerPrice() : trade.sellerPrice(),
                rules.lowest.toUint32(),
                rules.highest.toUint32()
            );
        }
        unchecked {
            // sellerPrice <= buyerPrice.
            if (buyerPrice - sellerPrice > rules.largestSpread) {
                revert TradeSpreadTooLarge(
                    index, (buyerPrice - sellerPrice).toUint32(), rules.largestSpread.toUint32()
                );
            }
            // A step of zero or less wraps around and is as refused as one that is too long.
            uint256 last = buyer.sequence();
            if (uint256(trade.sequence()) - last - 1 >= MAX_SEQUENCE_STEP) {
                revert TradeSequenceOutOfRange(
                    index, trade.buyer(), trade.sequence(), last + 1, last + MAX_SEQUENCE_STEP
                );
            }
        }
    }

    /// @dev A word of zero has no valid mandate either, so telling the two apart costs nothing
    /// until one of them is met.
    function _refuseParty(uint256 index, uint32 party, AccountWord word) private view {
        if (!word.registered()) revert TradePartyUnknown(index, party);
        revert TradeMandateExpired(index, party, word.validUntil(), block.timestamp);
    }

    /// @dev Moves each cost from the buyer's locked balance to the seller and the lot. Amounts are
    /// added up while party or lot stay the same. Nothing in here can fail: the costs are locked,
    /// since the hash proved these to be the trades that were submitted, and no sum of balances
    /// grows.
    function _pay(Trade[] calldata trades) private returns (uint256 paid, uint256 spread) {
        Spread memory run = Spread({lot: trades[0].lot(), open: 0, total: 0});
        uint256 buyer = trades[0].buyer();
        uint256 seller = trades[0].seller();
        uint256 owed = 0;
        uint256 earned = 0;
        for (uint256 i = 0; i < trades.length; ++i) {
            Trade trade = trades[i];
            uint256 cost = trade.buyerCost();
            uint256 income = trade.sellerIncome();
            unchecked {
                // All sums are parts of what is locked, below 2^56; income <= cost as the prices
                // are.
                if (trade.buyer() != buyer) {
                    _accounts[buyer] = _accounts[buyer].payLocked(owed);
                    paid += owed;
                    owed = 0;
                    buyer = trade.buyer();
                }
                owed += cost;
                if (trade.seller() != seller) {
                    _accounts[seller] = _accounts[seller].credit(earned);
                    earned = 0;
                    seller = trade.seller();
                }
                earned += income;
                if (trade.lot() != run.lot) {
                    _creditSpread(run);
                    run.lot = trade.lot();
                }
                run.open += cost - income;
            }
        }
        _accounts[buyer] = _accounts[buyer].payLocked(owed);
        _accounts[seller] = _accounts[seller].credit(earned);
        _creditSpread(run);
        return (paid + owed, run.total);
    }

    function _creditSpread(Spread memory run) private {
        if (run.open != 0) {
            uint32 beneficiary = _lots[run.lot.toUint16()].account;
            _accounts[beneficiary] = _accounts[beneficiary].credit(run.open);
            run.total += run.open;
            run.open = 0;
        }
    }

    /// @dev Moves each cost back from locked to free; cannot fail, for the reasons given at `_pay`.
    function _unlockCosts(Trade[] calldata trades) private returns (uint256 total) {
        uint256 buyer = trades[0].buyer();
        uint256 owed = 0;
        for (uint256 i = 0; i < trades.length; ++i) {
            Trade trade = trades[i];
            unchecked {
                // Parts of what is locked, below 2^56.
                if (trade.buyer() != buyer) {
                    _accounts[buyer] = _accounts[buyer].unlock(owed);
                    total += owed;
                    owed = 0;
                    buyer = trade.buyer();
                }
                owed += trade.buyerCost();
            }
        }
        _accounts[buyer] = _accounts[buyer].unlock(owed);
        total += owed;
    }

    function _mandate(AccountWord word) private view returns (Mandate memory) {
        return Mandate({
            maxBuyPrice: word.maxBuyPrice(),
            minSellPrice: word.minSellPrice(),
            validUntil: word.validUntil(),
            aggregator: _aggregatorAt[word.aggregatorNumber()],
            openToBuyers: word.openToBuyers()
        });
    }
}
