// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Trade} from "./Trade.sol";

/// @title IEnergyConsortium
/// @notice Trades of energy between electric vehicles in parking lots, decided by a consortium.
///
/// A batch of matched trades is submitted and its buyers' money locked (Pending). The operators of
/// the consortium check it, each on its own data, and confirm or reject it. Energy flows for
/// confirmed trades only, then anyone settles the batch: sellers are credited and the difference of
/// the two prices goes to the lot. A rejected, cancelled or expired batch is refunded; it moved no
/// energy.
///
/// ```
/// None -> Pending -> Confirmed -> Settled
///            |-> Rejected ----------|
///            |-> Cancelled ---------|-> Refunded
///            '-> (deadline passed) -'
/// ```
///
/// Units: money in micro-euro (10^-6 token, the token has 6 decimals), prices in micro-euro per
/// kWh, energy in Wh, times in seconds since 1970 unless a name says otherwise.
///
/// Every change of state can be rebuilt from the events below alone.
interface IEnergyConsortium {
    // ---------------------------------------------------------------------------------- types

    /// @notice Where a batch stands. `Expired` is never stored: it is what a batch that is still
    /// pending after its deadline is reported as.
    enum BatchState {
        None,
        Pending,
        Confirmed,
        Settled,
        Rejected,
        Cancelled,
        Refunded,
        Expired
    }

    /// @notice A holder's standing limits. An account without one takes part in no trade.
    /// @param maxBuyPrice Highest price it pays, all included, micro-euro per kWh; 0 buys nothing.
    /// @param minSellPrice Lowest price it accepts, all included, micro-euro per kWh; 2^32 - 1
    /// together with a lower price band sells nothing.
    /// @param validUntil Last second in which a batch naming it may be submitted.
    /// @param aggregator Who may submit trades for it besides itself; zero for nobody.
    /// @param openToBuyers Whether a buyer may name it as seller in a batch of the buyer's own.
    struct Mandate {
        uint32 maxBuyPrice;
        uint32 minSellPrice;
        uint32 validUntil;
        address aggregator;
        bool openToBuyers;
    }

    /// @notice Everything known of one account.
    /// @param owner Who may withdraw and set limits; zero when the account does not exist.
    /// @param free Micro-euro that can be locked or withdrawn.
    /// @param locked Micro-euro locked for trades neither settled nor refunded.
    /// @param sequence The highest sequence number used in a trade it bought.
    /// @param tag What the holder asked the operators to know it by.
    /// @param mandate Its standing limits; all zero when there are none.
    struct Account {
        address owner;
        uint64 free;
        uint64 locked;
        uint32 sequence;
        bytes32 tag;
        Mandate mandate;
    }

    /// @notice What is stored of one batch. Its trades are in `BatchSubmitted`.
    /// @param state Where it stands, `Expired` included.
    /// @param size Number of trades.
    /// @param deadline Last second in which it can be voted on.
    /// @param confirmations Bit s is set when seat s confirmed it.
    /// @param rejections Bit s is set when seat s rejected it.
    struct Batch {
        BatchState state;
        uint16 size;
        uint40 deadline;
        uint96 confirmations;
        uint96 rejections;
    }

    /// @notice An operator and the seat it votes from.
    struct Operator {
        address operator;
        uint8 seat;
    }

    /// @notice An operator's signature over `Confirmation(bytes32 batchId,uint8 seat)` (EIP-712).
    /// @param seat The seat it votes from, which is part of what it signed.
    /// @param r As ECDSA names it.
    /// @param vs s, with the parity of the recovery id in the highest bit (EIP-2098).
    struct SeatSignature {
        uint8 seat;
        bytes32 r;
        bytes32 vs;
    }

    // ---------------------------------------------------------------------------------- events

    /// @notice The authority named its successor, who has still to accept; zero takes an offer
    /// back.
    event AuthorityProposed(address indexed authority, address indexed proposed);

    /// @notice The authority changed hands; `previous` is zero at deployment.
    event AuthorityTransferred(address indexed previous, address indexed authority);

    /// @notice An operator took a seat.
    event OperatorAdded(address indexed operator, uint8 indexed seat);

    /// @notice An operator left its seat; votes cast from it no longer count in pending batches.
    event OperatorRemoved(address indexed operator, uint8 indexed seat);

    /// @notice An operator changed its key, and with it its seat; votes from `oldSeat` no longer
    /// count.
    event OperatorRotated(address indexed from, address indexed to, uint8 oldSeat, uint8 newSeat);

    /// @notice The number of current seats that must confirm a batch changed.
    event QuorumSet(uint8 quorum);

    /// @notice The prices a trade may have changed, both ends included.
    event PriceBandSet(uint32 lowest, uint32 highest);

    /// @notice The largest difference between a trade's two prices changed.
    event LargestSpreadSet(uint32 spread);

    /// @notice A lot was admitted or its account changed. Account 0: the lot admits no new trades;
    /// trades already submitted still pay their spread to its last account.
    event LotSet(uint16 indexed lot, uint32 indexed account);

    /// @notice An aggregator was admitted or dismissed.
    event AggregatorSet(address indexed aggregator, bool admitted);

    /// @notice Deposits, submissions and new mandates stopped.
    event Paused(address indexed authority);

    /// @notice Deposits, submissions and new mandates work again.
    event Unpaused(address indexed authority);

    /// @notice An account was opened.
    event AccountRegistered(uint32 indexed account, address indexed owner, bytes32 indexed tag);

    /// @notice An account's standing limits were replaced.
    event MandateSet(
        uint32 indexed account,
        address indexed aggregator,
        uint32 maxBuyPrice,
        uint32 minSellPrice,
        uint32 validUntil,
        bool openToBuyers
    );

    /// @notice An account's standing limits were withdrawn.
    event MandateRevoked(uint32 indexed account);

    /// @notice Every signature that the owner gave over this nonce is void from here on: it was
    /// used, or the owner changed a mandate itself.
    event NonceUsed(address indexed owner, uint256 nonce);

    /// @notice Tokens came in and were credited to the account's free balance.
    event Deposited(uint32 indexed account, address indexed from, uint64 amount);

    /// @notice Tokens left from the account's free balance.
    event Withdrawn(uint32 indexed account, address indexed to, uint64 amount);

    /// @notice A batch was submitted. Each buyer's cost moved from free to locked and its sequence
    /// rose to that of its last trade.
    /// @param locked Sum of the buyers' costs.
    /// @param trades The packed trades, each a `Trade`.
    event BatchSubmitted(
        bytes32 indexed batchId,
        address indexed submitter,
        uint40 deadline,
        uint64 locked,
        uint256[] trades
    );

    /// @notice An operator confirmed a batch.
    event BatchConfirmedBy(bytes32 indexed batchId, address indexed operator, uint8 seat);

    /// @notice An operator rejected a batch, and why.
    event BatchRejectedBy(
        bytes32 indexed batchId, address indexed operator, uint8 seat, string reason
    );

    /// @notice Pending -> Confirmed: energy may flow.
    event BatchConfirmed(bytes32 indexed batchId);

    /// @notice Pending -> Rejected: no energy may flow.
    event BatchRejected(bytes32 indexed batchId);

    /// @notice Pending -> Cancelled by its submitter: no energy may flow.
    event BatchCancelled(bytes32 indexed batchId);

    /// @notice Confirmed -> Settled. `paid` left the buyers' locked balances, of which `spread`
    /// went to the lots and the rest to the sellers.
    event BatchSettled(bytes32 indexed batchId, uint64 paid, uint64 spread);

    /// @notice Rejected, Cancelled or Expired -> Refunded. `refunded` went back from locked to
    /// free.
    event BatchRefunded(bytes32 indexed batchId, uint64 refunded);

    // ---------------------------------------------------------------------------------- errors

    /// @notice Only the authority may do this.
    error AuthorityOnly(address caller, address authority);

    /// @notice Only the proposed authority may accept.
    error PendingAuthorityOnly(address caller, address pendingAuthority);

    /// @notice The zero address cannot be the first authority.
    error AuthorityInvalid(address authority);

    /// @notice The settlement token must be a contract with the decimals of a micro-euro.
    error TokenInvalid(address token, uint8 decimals, uint8 needed);

    /// @notice Paused: deposits, submissions and new mandates wait for `unpause`.
    error ConsortiumPaused();

    /// @notice There is nothing to unpause.
    error ConsortiumNotPaused();

    /// @notice The address has no seat.
    error OperatorUnknown(address operator);

    /// @notice The address already has a seat.
    error OperatorSeated(address operator, uint8 seat);

    /// @notice The zero address cannot be an operator.
    error OperatorInvalid(address operator);

    /// @notice All seats that this key has not held are taken or were vacated less than
    /// MAX_LIFETIME ago. `availableFrom` is the first second in which one can be given again, zero
    /// when there is none.
    error SeatsExhausted(uint256 availableFrom);

    /// @notice The quorum must be at least 1 and at most the number of operators.
    error QuorumOutOfRange(uint256 quorum, uint256 operators);

    /// @notice The lowest price must not be above the highest.
    error PriceBandInvalid(uint32 lowest, uint32 highest);

    /// @notice The address is not an admitted aggregator (the zero address cannot be one).
    error AggregatorInvalid(address aggregator);

    /// @notice No more aggregators can be numbered.
    error AggregatorsExhausted(uint256 largest);

    /// @notice There is no account with this number.
    error AccountUnknown(uint32 account);

    /// @notice Only the account's owner may do this.
    error AccountOwnerOnly(uint32 account, address caller, address owner);

    /// @notice No more accounts can be numbered.
    error AccountsExhausted(uint256 largest);

    /// @notice The account's free balance is below what was asked.
    error AccountBalanceTooLow(uint32 account, uint64 free, uint64 needed);

    /// @notice An amount of zero moves nothing.
    error AmountZero(uint32 account);

    /// @notice The deposit would take all deposits together above the largest sum the ledger can
    /// hold.
    error DepositTooLarge(uint256 tracked, uint256 amount, uint256 largest);

    /// @notice The token delivered another amount than was asked (one that takes a fee, for
    /// instance).
    error DepositMismatch(uint256 received, uint256 asked);

    /// @notice Tokens cannot be sent to the zero address or to this contract.
    error RecipientInvalid(address to);

    /// @notice A mandate must be valid in the second in which it is set.
    error MandateExpired(uint32 account, uint32 validUntil, uint256 timestamp);

    /// @notice The last second in which the owner's signature may be used has passed.
    error SignatureExpired(address owner, uint40 deadline, uint256 timestamp);

    /// @notice The owner did not sign this: other content, chain, contract or signer, or a nonce
    /// other than `nonce`, its next one.
    error SignatureInvalid(address owner, uint256 nonce);

    /// @notice A batch holds between 1 and `largest` trades.
    error BatchSizeOutOfRange(uint256 size, uint256 largest);

    /// @notice The deadline must lie between `earliest` and `latest`, both included.
    error BatchDeadlineOutOfRange(uint40 deadline, uint256 earliest, uint256 latest);

    /// @notice The batch is in another state than this function needs.
    /// @param accepted Bit s is set for each state s that would have been accepted.
    error BatchUnexpectedState(bytes32 batchId, BatchState current, uint256 accepted);

    /// @notice A vote is final: this seat has cast one on this batch.
    error BatchAlreadyVoted(bytes32 batchId, address operator, uint8 seat, bool confirmed);

    /// @notice A bundle of confirmations needs at least one signature.
    error ConfirmationsMissing(bytes32 batchId);

    /// @notice Signers must come in strictly ascending order of their addresses. `position` is the
    /// signature's place in the bundle, from zero. A signer of zero: no key can have made the
    /// signature.
    error ConfirmationsUnsorted(uint256 position, uint8 seat, address signer, address previous);

    /// @notice The signer is not the operator on the seat it signed for: another key, or a
    /// signature over another batch, seat, chain or contract. `holder` is zero for an empty seat.
    error ConfirmationSignerInvalid(uint256 position, uint8 seat, address signer, address holder);

    /// @notice Neither threshold is reached: `confirmations` current seats confirmed and `possible`
    /// still may or did, while `quorum` are needed.
    error BatchUndecided(bytes32 batchId, uint256 confirmations, uint256 possible, uint256 quorum);

    /// @notice The batch was not submitted by the caller with trades of this hash.
    error BatchSubmitterOnly(bytes32 batchId, address caller, bytes32 tradesHash);

    /// @notice The reason is longer than allowed, in bytes.
    error BatchReasonTooLong(uint256 length, uint256 largest);

    /// @notice The spare bits of the word must be zero. `index` is the trade's position in the
    /// batch, from zero, here and in every error below.
    error TradeSpareNotZero(uint256 index, uint16 spare);

    /// @notice A party's account does not exist.
    error TradePartyUnknown(uint256 index, uint32 account);

    /// @notice Buyer and seller must be different accounts.
    error TradePartiesEqual(uint256 index, uint32 account);

    /// @notice The party has no mandate (validUntil 0) or it has expired.
    error TradeMandateExpired(uint256 index, uint32 account, uint32 validUntil, uint256 timestamp);

    /// @notice The party's mandate does not let this submitter name it.
    error TradeSubmitterNotAllowed(uint256 index, uint32 account, address submitter);

    /// @notice The buyer's price is above what its mandate allows.
    error TradeBuyerPriceTooHigh(uint256 index, uint32 buyer, uint32 price, uint32 highest);

    /// @notice The seller's price is below what its mandate allows.
    error TradeSellerPriceTooLow(uint256 index, uint32 seller, uint32 price, uint32 lowest);

    /// @notice The lot is not admitted.
    error TradeLotUnknown(uint256 index, uint16 lot);

    /// @notice A trade must move energy.
    error TradeEnergyZero(uint256 index);

    /// @notice The buyer's cost rounds down to nothing.
    error TradeCostZero(uint256 index, uint32 energyWh, uint32 price);

    /// @notice A price lies outside the band.
    error TradePriceOutOfBand(uint256 index, uint32 price, uint32 lowest, uint32 highest);

    /// @notice The seller's price is above the buyer's.
    error TradePricesCrossed(uint256 index, uint32 buyerPrice, uint32 sellerPrice);

    /// @notice The two prices are further apart than allowed.
    error TradeSpreadTooLarge(uint256 index, uint32 spread, uint32 largest);

    /// @notice The sequence number must lie between `lowest` and `highest`, both included.
    error TradeSequenceOutOfRange(
        uint256 index, uint32 buyer, uint32 sequence, uint256 lowest, uint256 highest
    );

    /// @notice The buyer's free balance, after the trades before this one, does not cover the cost.
    error TradeBuyerBalanceTooLow(uint256 index, uint32 buyer, uint64 free, uint64 needed);

    // ------------------------------------------------------------------------------ governance

    /// @notice Names the next authority, who has to accept. Zero takes an offer back.
    /// Authority only. Emits `AuthorityProposed`.
    function proposeAuthority(address proposed) external;

    /// @notice Takes the authority over. The proposed authority only. Emits `AuthorityTransferred`.
    function acceptAuthority() external;

    /// @notice Gives an operator the lowest seat that is free and that it never held itself. A seat
    /// that was vacated can be given again only after MAX_LIFETIME, when no pending batch can still
    /// carry a vote of its former holder, and never to a former holder, whose old signatures name
    /// it. Authority only. Emits `OperatorAdded`.
    function addOperator(address operator) external returns (uint8 seat);

    /// @notice Takes an operator's seat. At least `quorum` operators must remain. Pending batches
    /// are not touched: `finalize` counts them again. Authority only. Emits `OperatorRemoved`.
    function removeOperator(address operator) external;

    /// @notice Replaces an operator's key, at any number of operators. The new key gets a new seat,
    /// so the votes of the old one no longer count in pending batches. Authority only. Emits
    /// `OperatorRotated`.
    function rotateOperator(address from, address to) external returns (uint8 seat);

    /// @notice Sets how many current seats must confirm a batch, from 1 to the number of operators.
    /// Pending batches are not touched: `finalize` counts them again. Authority only. Emits
    /// `QuorumSet`.
    function setQuorum(uint8 quorum_) external;

    /// @notice Sets the prices a trade may have, micro-euro per kWh, both ends included; holds for
    /// later submissions. Authority only. Emits `PriceBandSet`.
    function setPriceBand(uint32 lowest, uint32 highest) external;

    /// @notice Sets the largest difference between a trade's two prices, micro-euro per kWh; holds
    /// for later submissions. Authority only. Emits `LargestSpreadSet`.
    function setLargestSpread(uint32 spread) external;

    /// @notice Admits a lot and names the account that receives its spread. Account 0 removes the
    /// lot for later submissions; trades submitted before still pay their spread to its last
    /// account, and a new account receives the spread of everything settled from then on. Authority
    /// only. Emits `LotSet`.
    function setLot(uint16 lot, uint32 account_) external;

    /// @notice Admits or dismisses an aggregator. Mandates that name it stay, and allow it nothing
    /// while it is dismissed. Authority only. Emits `AggregatorSet`.
    function setAggregator(address aggregator, bool admitted) external;

    /// @notice Stops deposits, submissions and new mandates, nothing else. Authority only. Emits
    /// `Paused`.
    function pause() external;

    /// @notice Ends the pause. Authority only. Emits `Unpaused`.
    function unpause() external;

    // -------------------------------------------------------------------------------- accounts

    /// @notice Opens an account for the caller; numbers are given from 1. Anyone, any number of
    /// times. Emits `AccountRegistered`.
    /// @param tag What the operators shall know it by, for instance the hash of a charging
    /// session's id.
    function register(bytes32 tag) external returns (uint32 account_);

    /// @notice Opens an account for an owner and sets its standing limits, both as it signed:
    /// `Enrollment(address owner,bytes32 tag,Mandate mandate,uint256 nonce,uint40 deadline)`
    /// (EIP-712, also ERC-1271), with the owner's next nonce. Anyone, until the deadline, not while
    /// paused. Conditions of `setMandate`. Emits `NonceUsed`, `AccountRegistered` and `MandateSet`.
    /// @param deadline Last second in which the signature may be used, here and below.
    /// @param signature 65 bytes r, s, v with the lower s; or what the owner's contract accepts.
    function enroll(
        address owner,
        bytes32 tag,
        Mandate calldata mandate,
        uint40 deadline,
        bytes calldata signature
    ) external returns (uint32 account_);

    /// @notice Replaces the account's standing limits, for later submissions. Its owner only, not
    /// while paused. The aggregator must be admitted (or zero) and `validUntil` not past. Uses the
    /// owner's next nonce, so that no mandate signed before can take the place of this one. Emits
    /// `NonceUsed` and `MandateSet`.
    function setMandate(uint32 account_, Mandate calldata mandate) external;

    /// @notice `setMandate` with the owner's signature over
    /// `MandateChange(uint32 account,Mandate mandate,uint256 nonce,uint40 deadline)`. Anyone, until
    /// the deadline, not while paused. Emits `NonceUsed` and `MandateSet`.
    function setMandateBySignature(
        uint32 account_,
        Mandate calldata mandate,
        uint40 deadline,
        bytes calldata signature
    ) external;

    /// @notice Withdraws the account's standing limits, for later submissions. Its owner only, also
    /// while paused. Uses the owner's next nonce, so that no mandate signed before can undo it.
    /// Emits `NonceUsed` and `MandateRevoked`.
    function revokeMandate(uint32 account_) external;

    /// @notice `revokeMandate` with the owner's signature over
    /// `MandateRevocation(uint32 account,uint256 nonce,uint40 deadline)`. Anyone, until the
    /// deadline, also while paused. Emits `NonceUsed` and `MandateRevoked`.
    function revokeMandateBySignature(uint32 account_, uint40 deadline, bytes calldata signature)
        external;

    /// @notice Takes `amount` micro-euro of the token from the caller, who must have approved it,
    /// and credits them to any account. Anyone, not while paused. Emits `Deposited`.
    function deposit(uint32 account_, uint64 amount) external;

    /// @notice Pays `amount` micro-euro of the account's free balance out. Its owner only, also
    /// while paused. Emits `Withdrawn`.
    function withdraw(uint32 account_, uint64 amount, address to) external;

    /// @notice `withdraw` with the owner's signature over
    /// `Withdrawal(uint32 account,uint64 amount,address to,uint256 nonce,uint40 deadline)`. Anyone,
    /// until the deadline, also while paused. Emits `NonceUsed` and `Withdrawn`.
    function withdrawBySignature(
        uint32 account_,
        uint64 amount,
        address to,
        uint40 deadline,
        bytes calldata signature
    ) external;

    // --------------------------------------------------------------------------------- batches

    /// @notice None -> Pending. Locks each buyer's cost. Not while paused. Emits `BatchSubmitted`.
    ///
    /// The caller is an admitted aggregator that the mandates of buyer and seller name, or it owns
    /// the buyer's account, and then the seller's mandate names it or is open to buyers.
    ///
    /// Checked in this order: not paused, size, deadline, state; then for each trade: spare bits;
    /// the buyer (known, mandate valid, allows the caller); the seller (known, mandate valid, not
    /// the buyer, allows the caller, allows the price); the buyer's mandate allows its price; lot
    /// admitted; energy above zero; cost above zero; prices not crossed; buyer's price not above
    /// the band, seller's not below; spread not too large; sequence above the buyer's last by at
    /// most MAX_SEQUENCE_STEP; free balance enough. Of consecutive trades of one buyer only the
    /// first checks the buyer, as nothing can have changed.
    /// @param trades 1 to MAX_TRADES packed trades; cheapest when those of one buyer stand
    /// together.
    /// @param deadline Last second for votes: after now, at most MAX_LIFETIME later.
    /// @return batchId keccak256(abi.encode(chainid, this, submitter, deadline,
    /// keccak256(trades))).
    function submit(Trade[] calldata trades, uint40 deadline) external returns (bytes32 batchId);

    /// @notice `submit` and `confirmWithSignatures` in one transaction: None -> Pending, and on to
    /// Confirmed when the signatures reach the quorum. The id of a batch is known before it is
    /// submitted, so operators can check and sign it before. Same callers, checks and events as
    /// those two.
    function submitWithSignatures(
        Trade[] calldata trades,
        uint40 deadline,
        SeatSignature[] calldata signatures
    ) external returns (bytes32 batchId);

    /// @notice Records the caller's confirmation, and Pending -> Confirmed when `quorum` current
    /// seats have confirmed. (As every vote it evaluates both thresholds, so after a change of
    /// seats or quorum a vote can bring about what `finalize` would have.) Operators only, once per
    /// seat and batch, until the deadline. Emits `BatchConfirmedBy`, and `BatchConfirmed` at the
    /// quorum.
    function confirm(bytes32 batchId) external;

    /// @notice Records the confirmations that operators signed off chain, and Pending -> Confirmed
    /// when `quorum` current seats have confirmed. Anyone, until the deadline. Below the quorum the
    /// votes stand as if cast directly. A seat that has voted on chain is passed over, whichever
    /// way it voted: its vote is final and counts once, and it cannot make a bundle fail. Emits
    /// `BatchConfirmedBy` for each new vote, and `BatchConfirmed` at the quorum.
    /// @param signatures At least one, ascending by the signer's address, none twice; each over
    /// `Confirmation(bytes32 batchId,uint8 seat)` (EIP-712) by the operator now on that seat.
    function confirmWithSignatures(bytes32 batchId, SeatSignature[] calldata signatures) external;

    /// @notice Records the caller's rejection, and Pending -> Rejected when the current seats left
    /// cannot reach the quorum. Operators only, once per seat and batch, until the deadline. Emits
    /// `BatchRejectedBy`, and `BatchRejected` when decided.
    /// @param reason At most MAX_REASON_LENGTH bytes.
    function reject(bytes32 batchId, string calldata reason) external;

    /// @notice Pending -> Cancelled. Its submitter only.
    /// @param tradesHash keccak256 over the packed trades, which proves who submitted them.
    /// Emits `BatchCancelled`.
    function cancel(bytes32 batchId, bytes32 tradesHash) external;

    /// @notice Counts the votes again after seats or quorum changed: Pending -> Confirmed or
    /// Rejected. Anyone, until the deadline. Emits `BatchConfirmed` or `BatchRejected`.
    function finalize(bytes32 batchId) external;

    /// @notice Confirmed -> Settled. Pays the sellers and lots from what the buyers have locked.
    /// Anyone; cannot fail in this state. Emits `BatchSettled`.
    function settle(address submitter, uint40 deadline, Trade[] calldata trades) external;

    /// @notice Rejected, Cancelled or Expired -> Refunded. Gives the buyers back what was locked.
    /// Anyone; cannot fail in these states. Emits `BatchRefunded`.
    function refund(address submitter, uint40 deadline, Trade[] calldata trades) external;

    // ----------------------------------------------------------------------------------- views

    /// @notice Most trades in a batch.
    function MAX_TRADES() external view returns (uint256);

    /// @notice Longest time from submission to deadline, in seconds.
    function MAX_LIFETIME() external view returns (uint256);

    /// @notice Largest step from a buyer's last sequence number to its next.
    function MAX_SEQUENCE_STEP() external view returns (uint256);

    /// @notice Longest reason of a rejection, in bytes.
    function MAX_REASON_LENGTH() external view returns (uint256);

    /// @notice Largest sum of all deposits the ledger can hold, in micro-euro.
    function MAX_DEPOSITS() external view returns (uint64);

    /// @notice Number of seats; they are numbered from 0.
    function MAX_SEATS() external view returns (uint8);

    /// @notice The settlement token.
    function token() external view returns (IERC20);

    /// @notice Who governs the consortium.
    function authority() external view returns (address);

    /// @notice Who has been offered the authority and has not accepted; zero for nobody.
    function pendingAuthority() external view returns (address);

    /// @notice Whether deposits, submissions and new mandates are stopped.
    function paused() external view returns (bool);

    /// @notice How many current seats must confirm a batch.
    function quorum() external view returns (uint8);

    /// @notice How many operators there are.
    function operatorCount() external view returns (uint8);

    /// @notice The operators in the order of their seats.
    function operators() external view returns (Operator[] memory);

    /// @notice Whether the address holds a seat.
    function isOperator(address operator) external view returns (bool);

    /// @notice The seat of an operator; reverts with `OperatorUnknown` for anyone else.
    function seatOf(address operator) external view returns (uint8);

    /// @notice Bit s is set when seat s is occupied: only votes of these seats count.
    function currentSeats() external view returns (uint96);

    /// @notice The prices a trade may have, micro-euro per kWh.
    function priceBand() external view returns (uint32 lowest, uint32 highest);

    /// @notice The largest difference between a trade's two prices, micro-euro per kWh.
    function largestSpread() external view returns (uint32);

    /// @notice The account of an admitted lot; 0 when the lot is not admitted.
    function lotAccount(uint16 lot) external view returns (uint32);

    /// @notice The account to which settling a trade of this lot pays the spread: that of
    /// `lotAccount`, or the last one of a lot that was removed; 0 when the lot never was admitted.
    function spreadAccount(uint16 lot) external view returns (uint32);

    /// @notice Whether the aggregator is admitted.
    function isAggregator(address aggregator) external view returns (bool);

    /// @notice How many accounts exist; they are numbered 1 to this.
    function accountCount() external view returns (uint32);

    /// @notice Everything known of an account; all zero when it does not exist.
    function account(uint32 account_) external view returns (Account memory);

    /// @notice What the holder asked the operators to know the account by.
    function tagOf(uint32 account_) external view returns (bytes32);

    /// @notice The account's standing limits; all zero when there are none.
    function mandateOf(uint32 account_) external view returns (Mandate memory);

    /// @notice The nonce that an owner's next signature has to carry.
    function nonces(address owner) external view returns (uint256);

    /// @notice Sum of all accounts' free and locked balances, in micro-euro: deposits minus
    /// withdrawals.
    function trackedDeposits() external view returns (uint64);

    /// @notice What is stored of a batch.
    function batch(bytes32 batchId) external view returns (Batch memory);

    /// @notice Where a batch stands, `Expired` included.
    function stateOf(bytes32 batchId) external view returns (BatchState);

    /// @notice The id of a batch, submitted or not.
    function batchIdOf(address submitter, uint40 deadline, Trade[] calldata trades)
        external
        view
        returns (bytes32);

    /// @notice What one trade moves, in micro-euro: cost = income + spread. Reverts with
    /// `TradePricesCrossed`, position 0, when the seller would get more than the buyer pays.
    /// @return cost floor(energyWh * buyerPrice / 1000), from the buyer.
    /// @return income floor(energyWh * sellerPrice / 1000), to the seller.
    /// @return spread the rest, to the lot's account.
    function amountsOf(Trade trade)
        external
        pure
        returns (uint64 cost, uint64 income, uint64 spread);
}
