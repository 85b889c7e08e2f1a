-- One database a party. In a consortium each party has a server of its own.
CREATE DATABASE engine;
CREATE DATABASE operator_1;
CREATE DATABASE operator_2;
CREATE DATABASE operator_3;
CREATE DATABASE operator_4;
