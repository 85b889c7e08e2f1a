"""The reference model, second part: accounts, their limits and their money, owners' signatures."""

from __future__ import annotations

from typing import Any

from tests.reference_governance import Governance
from tests.reference_records import (
    NOBODY,
    Account,
    Domain,
    Event,
    Mandate,
    Refusal,
    Signature,
    Statement,
)

MAX_DEPOSITS_UEUR = 2**56 - 1


class Accounts(Governance):
    """Accounts, and the token as far as the contract touches it.

    Attributes:
        accounts: by number, from 1.
        nonces: the next nonce of an owner's signature, by owner.
        tracked_deposits: deposits minus withdrawals, micro-euro.
        tokens: balance by holder, micro-euro.
        allowances: what the contract may take from a holder, micro-euro.
    """

    def __init__(self, domain: Domain, **founding: Any) -> None:
        super().__init__(domain, **founding)
        self.nonces: dict[str, int] = {}
        self.tracked_deposits = 0
        self.tokens: dict[str, int] = {}
        self.allowances: dict[str, int] = {}

    def register(self, by: str, tag: str) -> None:
        self._open_account(by, tag)

    def enroll(
        self, _by: str, owner: str, tag: str, mandate: Mandate, deadline: int, signature: Signature
    ) -> None:
        self._not_paused()
        content = (owner, tag, mandate)
        self._check_signature(owner, "Enrollment", content, deadline, signature)
        self._check_mandate(len(self.accounts) + 1, mandate)
        self._use_nonce(owner)
        self._put_mandate(self._open_account(owner, tag), mandate)

    def set_mandate(self, by: str, number: int, mandate: Mandate) -> None:
        self._not_paused()
        self._only_owner(by, number)
        self._check_mandate(number, mandate)
        self._use_nonce(by)
        self._put_mandate(number, mandate)

    def set_mandate_by_signature(
        self, _by: str, number: int, mandate: Mandate, deadline: int, signature: Signature
    ) -> None:
        self._not_paused()
        owner = self._known(number).owner
        self._check_signature(owner, "MandateChange", (number, mandate), deadline, signature)
        self._check_mandate(number, mandate)
        self._use_nonce(owner)
        self._put_mandate(number, mandate)

    def revoke_mandate(self, by: str, number: int) -> None:
        self._only_owner(by, number)
        self._use_nonce(by)
        self._drop_mandate(number)

    def revoke_mandate_by_signature(
        self, _by: str, number: int, deadline: int, signature: Signature
    ) -> None:
        owner = self._known(number).owner
        self._check_signature(owner, "MandateRevocation", (number,), deadline, signature)
        self._use_nonce(owner)
        self._drop_mandate(number)

    def deposit(self, by: str, number: int, amount: int) -> None:
        self._not_paused()
        account = self._known(number)
        if amount == 0:
            raise Refusal("AmountZero", account=number)
        if self.tracked_deposits + amount > MAX_DEPOSITS_UEUR:
            raise Refusal(
                "DepositTooLarge",
                tracked=self.tracked_deposits,
                amount=amount,
                largest=MAX_DEPOSITS_UEUR,
            )
        allowed, held = self.allowances.get(by, 0), self.tokens.get(by, 0)
        contract = self.domain.contract
        if allowed < amount:
            raise Refusal(
                "ERC20InsufficientAllowance", spender=contract, allowance=allowed, needed=amount
            )
        if held < amount:
            raise Refusal("ERC20InsufficientBalance", sender=by, balance=held, needed=amount)
        self.allowances[by] = allowed - amount
        self.transfer(by, contract, amount)
        self.tracked_deposits += amount
        account.free += amount
        self.events.append(Event("Deposited", {"account": number, "from": by, "amount": amount}))

    def withdraw(self, by: str, number: int, amount: int, to: str) -> None:
        self._only_owner(by, number)
        self._check_withdrawal(number, amount, to)
        self._pay_out(number, amount, to)

    def withdraw_by_signature(
        self, _by: str, number: int, amount: int, to: str, deadline: int, signature: Signature
    ) -> None:
        owner = self._known(number).owner
        self._check_signature(owner, "Withdrawal", (number, amount, to), deadline, signature)
        self._check_withdrawal(number, amount, to)
        self._use_nonce(owner)
        self._pay_out(number, amount, to)

    # The token, for those who hold it

    def mint(self, _by: str, to: str, amount: int) -> None:
        self.tokens[to] = self.tokens.get(to, 0) + amount

    def approve(self, by: str, spender: str, amount: int) -> None:
        if spender == self.domain.contract:
            self.allowances[by] = amount

    def transfer(self, by: str, to: str, amount: int) -> None:
        held = self.tokens.get(by, 0)
        if held < amount:
            raise Refusal("ERC20InsufficientBalance", sender=by, balance=held, needed=amount)
        self.tokens[by] = held - amount
        self.tokens[to] = self.tokens.get(to, 0) + amount

    # What the functions above have in common

    def _open_account(self, owner: str, tag: str) -> int:
        number = len(self.accounts) + 1
        self.accounts[number] = Account(owner=owner, tag=tag)
        self.emit("AccountRegistered", account=number, owner=owner, tag=tag)
        return number

    def _known(self, number: int) -> Account:
        if number not in self.accounts:
            raise Refusal("AccountUnknown", account=number)
        return self.accounts[number]

    def _only_owner(self, by: str, number: int) -> None:
        owner = self._known(number).owner
        if by != owner:
            raise Refusal("AccountOwnerOnly", account=number, caller=by, owner=owner)

    def _check_signature(
        self,
        owner: str,
        kind: str,
        content: tuple[Any, ...],
        deadline: int,
        signature: Signature,
    ) -> None:
        """Whether the owner signed just this, with its next nonce, for until this deadline."""
        if self.now > deadline:
            raise Refusal("SignatureExpired", owner=owner, deadline=deadline, timestamp=self.now)
        nonce = self.nonces.get(owner, 0)
        wanted = Statement(domain=self.domain, kind=kind, content=(*content, nonce, deadline))
        if owner == NOBODY or signature.signer_of(wanted) != owner:
            raise Refusal("SignatureInvalid", owner=owner, nonce=nonce)

    def _use_nonce(self, owner: str) -> None:
        nonce = self.nonces.get(owner, 0)
        self.nonces[owner] = nonce + 1
        self.emit("NonceUsed", owner=owner, nonce=nonce)

    def _check_mandate(self, number: int, mandate: Mandate) -> None:
        if mandate.valid_until < self.now:
            raise Refusal(
                "MandateExpired",
                account=number,
                validUntil=mandate.valid_until,
                timestamp=self.now,
            )
        if mandate.aggregator != NOBODY and not self.is_aggregator(mandate.aggregator):
            raise Refusal("AggregatorInvalid", aggregator=mandate.aggregator)

    def _put_mandate(self, number: int, mandate: Mandate) -> None:
        self.accounts[number].mandate = mandate
        self.emit(
            "MandateSet",
            account=number,
            aggregator=mandate.aggregator,
            maxBuyPrice=mandate.max_buy_price,
            minSellPrice=mandate.min_sell_price,
            validUntil=mandate.valid_until,
            openToBuyers=mandate.open_to_buyers,
        )

    def _drop_mandate(self, number: int) -> None:
        self.accounts[number].mandate = None
        self.emit("MandateRevoked", account=number)

    def _check_withdrawal(self, number: int, amount: int, to: str) -> None:
        if to in (NOBODY, self.domain.contract):
            raise Refusal("RecipientInvalid", to=to)
        if amount == 0:
            raise Refusal("AmountZero", account=number)
        free = self.accounts[number].free
        if amount > free:
            raise Refusal("AccountBalanceTooLow", account=number, free=free, needed=amount)

    def _pay_out(self, number: int, amount: int, to: str) -> None:
        self.accounts[number].free -= amount
        self.tracked_deposits -= amount
        self.transfer(self.domain.contract, to, amount)
        self.emit("Withdrawn", account=number, to=to, amount=amount)
